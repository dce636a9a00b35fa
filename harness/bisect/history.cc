#include "harness/bisect/history.h"

#include <algorithm>

namespace ktrial::bisect {
namespace {

constexpr Costs kPackageCosts{.build = 10, .run = 15, .parallel = 1};

std::string id_of(const kernel::PackagedKernel& package) {
  return package.package + "=" + package.version;
}

bool is_version_of(std::string_view package, std::string_view release) {
  // "6.19.6" of linux-image-6.19.6+deb13-cloud-amd64, not of ...-6.19.60.
  const std::size_t at = package.find("-" + std::string(release));
  if (release.empty() || at == package.npos) return false;
  const std::string_view rest = package.substr(at + 1 + release.size());
  return rest.empty() || rest[0] == '+' || rest[0] == '-';
}

Result<std::size_t> find_end(const std::vector<kernel::PackagedKernel>& packages,
                             std::string text) {
  if (text.starts_with("deb:")) text.erase(0, 4);
  std::vector<std::size_t> exact, loose;
  for (std::size_t i = 0; i < packages.size(); ++i) {
    if (text == id_of(packages[i])) return i;
    if (text == packages[i].package || text == packages[i].version) exact.push_back(i);
    if (is_version_of(packages[i].package, text)) loose.push_back(i);
  }
  const auto& found = exact.empty() ? loose : exact;
  if (found.size() == 1) return found.front();
  if (found.empty())
    return usage_error("no package of the pattern is \"" + text + "\"",
                       "`ktrial kernel list PATTERN` shows them all");
  std::string hint = "name one of:";
  for (const std::size_t i : found) hint += " " + id_of(packages[i]);
  return usage_error("\"" + text + "\" may be " + std::to_string(found.size()) + " packages", hint);
}

}  // namespace

Result<History> history_of_packages(const std::vector<kernel::PackagedKernel>& packages,
                                    const HistoryRequest& request) {
  const std::size_t good = KTRIAL_TRY(find_end(packages, request.good));
  const std::size_t bad = KTRIAL_TRY(find_end(packages, request.bad));
  if (good == bad)
    return usage_error("--good and --bad are the same package, " + id_of(packages[good]));
  const auto [from, to] = std::minmax(good, bad);
  std::vector<CommitInfo> candidates;
  for (std::size_t i = from + 1; i <= to; ++i) candidates.push_back({.id = id_of(packages[i])});
  auto graph = KTRIAL_TRY(CommitGraph::linear(std::move(candidates), id_of(packages[from])));
  return History{.graph = std::move(graph),
                 .direction = good < bad ? Direction::bug : Direction::fix,
                 .weights = {},
                 .costs = kPackageCosts,
                 .kind = "package",
                 .maker = package_maker(request.offline, request.progress)};
}

Result<History> package_history(const std::string& pattern, const HistoryRequest& request) {
  const auto cache = KTRIAL_TRY(kernel::default_cache_dir());
  const auto packages = KTRIAL_TRY(kernel::list_packages(pattern, {.cache_dir = cache,
                                                                   .offline = request.offline,
                                                                   .progress = request.progress,
                                                                   .stop = request.stop}));
  return history_of_packages(packages, request);
}

}  // namespace ktrial::bisect
