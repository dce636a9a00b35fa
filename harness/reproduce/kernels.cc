#include "harness/reproduce/kernels.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <tuple>

#include "harness/base/re2.h"

namespace ktrial::reproduce {

std::string Release::text() const {
  std::string out = fmt::format("{}.{}", major, minor);
  if (patch > 0) out += fmt::format(".{}", patch);
  if (rc > 0) out += fmt::format("-rc{}", rc);
  return out;
}

Release parse_release(std::string_view text) {
  static const RE2 kRelease(R"(^v?(\d{1,3})\.(\d{1,4})(?:\.(\d{1,4}))?(?:-rc(\d{1,2}))?(.*)$)");
  Release out;
  int patch = 0, rc = 0;
  std::string_view patch_text, rc_text, rest;
  int major = 0, minor = 0;
  if (!full_match(text, kRelease, &major, &minor, &patch_text, &rc_text, &rest)) return out;
  for (const char c : patch_text) patch = patch * 10 + (c - '0');
  for (const char c : rc_text) rc = rc * 10 + (c - '0');
  return {major, minor, patch, rc, std::string(rest)};
}

int compare(const Release& a, const Release& b) {
  // A release candidate comes before its release.
  const auto key = [](const Release& r) {
    return std::tuple(r.major, r.minor, r.patch, r.rc == 0 ? 1000 : r.rc);
  };
  return key(a) < key(b) ? -1 : key(b) < key(a) ? 1 : 0;
}

Release release_of(const kernel::PackagedKernel& package) {
  static const RE2 kName(R"(^linux-(?:image|binary|base)-(?:unsigned-)?(\d.*?)(?:-unsigned)?$)");
  std::string_view name;
  if (!partial_match(package.package, kName, &name)) return {};
  Release out = parse_release(name);
  // "6.1.0-56": the name holds an ABI's number, the version the release.
  if (const Release version = parse_release(package.version); version.known() && out.patch == 0) {
    out.patch = version.patch;
    out.rest = std::string(name.substr(name.find('-') == name.npos ? name.size() : name.find('-')));
  }
  return out;
}

std::string mainline_at(std::string_view date) {
  // Tags of torvalds/linux.
  static constexpr auto kReleases = std::to_array<std::pair<std::string_view, std::string_view>>(
      {{"2020-12-13", "5.10"}, {"2021-02-14", "5.11"}, {"2021-04-25", "5.12"},
       {"2021-06-27", "5.13"}, {"2021-08-29", "5.14"}, {"2021-10-31", "5.15"},
       {"2022-01-09", "5.16"}, {"2022-03-20", "5.17"}, {"2022-05-22", "5.18"},
       {"2022-07-31", "5.19"}, {"2022-10-02", "6.0"},  {"2022-12-11", "6.1"},
       {"2023-02-19", "6.2"},  {"2023-04-23", "6.3"},  {"2023-06-25", "6.4"},
       {"2023-08-27", "6.5"},  {"2023-10-29", "6.6"},  {"2024-01-07", "6.7"},
       {"2024-03-10", "6.8"},  {"2024-05-12", "6.9"},  {"2024-07-14", "6.10"},
       {"2024-09-15", "6.11"}, {"2024-11-17", "6.12"}, {"2025-01-19", "6.13"},
       {"2025-03-24", "6.14"}, {"2025-05-25", "6.15"}, {"2025-07-27", "6.16"},
       {"2025-09-28", "6.17"}, {"2025-11-30", "6.18"}, {"2026-02-08", "6.19"},
       {"2026-04-12", "7.0"}});
  std::string out;
  for (const auto& [day, release] : kReleases)
    if (day <= date) out = release;
  return out;
}

namespace {

// How far a kernel is from the wanted one; smaller is nearer. Another series is farther than any
// patch level.
double distance(const Release& wanted, const Release& had) {
  const double series = std::abs((wanted.major - had.major) * 20.0 + (wanted.minor - had.minor));
  const double level = std::abs(wanted.patch - had.patch);
  return series * 1000 + level + (compare(had, wanted) < 0 ? 0.1 : 0);
}

bool same_flavour(const Release& wanted, const std::string& package) {
  return wanted.rest.find("cloud") != wanted.rest.npos || package.find("cloud") != package.npos;
}

}  // namespace

KernelChoice choose_kernel(const mail::Understanding& report,
                           std::span<const kernel::PackagedKernel> packages) {
  KernelChoice out;
  const mail::Fact* told = report.find("release");
  Release wanted = told ? parse_release(told->value) : Release{};
  if (told) out.wanted = told->value;
  if (!wanted.known()) {
    const std::string by_date = mainline_at(report.date);
    if (told) out.why = told->value + " is no release; ";
    if (!by_date.empty())
      out.why += fmt::format("mainline was at {} on the report's day, {}", by_date, report.date);
    wanted = parse_release(by_date);
  } else {
    out.why = fmt::format("the report names {}, line {}", told->value, told->line);
  }
  if (!wanted.known()) return out;
  std::vector<Release> good;
  for (const mail::Fact* fact : report.find_all("release_good"))
    good.push_back(parse_release(fact->value));
  double nearest = std::numeric_limits<double>::infinity();
  const kernel::PackagedKernel* best = nullptr;
  for (const kernel::PackagedKernel& package : packages) {
    const Release had = release_of(package);
    if (!had.known() || !same_flavour(wanted, package.package)) continue;
    const bool is_good = std::ranges::any_of(good, [&](const Release& one) {
      return compare(one, had) == 0 && compare(one, wanted) != 0;
    });
    // What the report calls good cannot show it; of equals, what is here already.
    const bool itself = !out.wanted.empty() && package.package.ends_with("-" + out.wanted);
    const double away = (itself ? -1 : distance(wanted, had)) + (is_good ? 1e6 : 0) +
                        (package.cached ? 0 : 0.01) +
                        (out.wanted.find(had.rest) == std::string::npos ? 0.05 : 0);
    if (away < nearest) {
      nearest = away;
      best = &package;
    }
  }
  if (best == nullptr) return out;
  out.reference = best->reference();
  const Release had = release_of(*best);
  const bool itself = !out.wanted.empty() && best->package.ends_with("-" + out.wanted);
  if (compare(had, wanted) != 0 && !itself)
    out.differs.push_back(fmt::format("it is {}, not {}: {}", had.text(), wanted.text(),
                                      had.major == wanted.major && had.minor == wanted.minor
                                          ? "another patch level of the same series"
                                          : "another series; the failure may be newer or mended"));
  else if (!out.wanted.empty() && best->package.find(out.wanted) == std::string::npos)
    out.differs.push_back("Debian's build of that release, with Debian's configuration");
  if (wanted.rest.find("dirty") != wanted.rest.npos || wanted.rest.find("-g") == 0)
    out.differs.push_back("the reported kernel has commits of its own (" + out.wanted + ")");
  return out;
}

Ends bisection_ends(const mail::Understanding& report, const Release& bad,
                    std::span<const kernel::PackagedKernel> packages) {
  Ends out;
  Release best, fixed;
  for (const mail::Fact* fact : report.find_all("release_good")) {
    const Release good = parse_release(fact->value);
    if (!good.known()) continue;
    if (compare(good, bad) < 0 && (!best.known() || compare(good, best) > 0)) best = good;
    if (compare(good, bad) > 0 && (!fixed.known() || compare(good, fixed) < 0)) fixed = good;
  }
  out.told = best.known();
  // The report says nothing: the newest of the series before.
  if (!best.known())
    for (const kernel::PackagedKernel& package : packages) {
      const Release had = release_of(package);
      if (std::pair(had.major, had.minor) < std::pair(bad.major, bad.minor) &&
          (!best.known() || compare(had, best) > 0))
        best = had;
    }
  if (best.known()) out.good = best.text();
  if (fixed.known()) out.fixed = fixed.text();
  return out;
}

}  // namespace ktrial::reproduce
