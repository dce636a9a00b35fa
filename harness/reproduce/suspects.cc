#include "harness/reproduce/suspects.h"

#include <fmt/format.h>
#include <fnmatch.h>

#include <algorithm>
#include <map>
#include <set>

namespace ktrial::reproduce {
namespace {

// How much a name says by where it stands.
struct Sighting {
  double weight = 0;
  std::string what;  // "the culprit", "in the stack"
  std::uint64_t line = 0;
};
constexpr double kCulprit = 8, kStack = 4, kPatch = 3, kSubject = 3, kCommand = 3, kProse = 1.5;
constexpr double kAcquitted = 0.1, kStressed = 2;

using Names = std::map<std::string, Sighting, std::less<>>;

void note(Names& names, const std::string& name, Sighting seen) {
  auto [at, fresh] = names.try_emplace(name, seen);
  if (!fresh && at->second.weight < seen.weight) at->second = seen;
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](unsigned char c) { return std::tolower(c); });
  return out;
}

// What was run when it failed; acquitted or not, it took part.
void note_command(const mail::Fact& fact, const mail::Understanding& report, Names& names) {
  std::string word;
  for (const char c : lower(fact.value) + " ") {
    if (std::isalnum(static_cast<unsigned char>(c)) || c == '_') {
      word += c;
      continue;
    }
    const auto seen = report.words.find(word);
    const bool acquitted = seen != report.words.end() && seen->second.acquitted;
    if (word.size() > 2)
      note(names, word, {kCommand * (acquitted ? 0.5 : 1), "in what was run", fact.line});
    word.clear();
  }
}

Names names_of(const mail::Understanding& report) {
  Names out;
  for (const auto& [word, seen] : report.words) {
    using enum mail::WordPlace;
    Sighting sight{kProse, "in the text", seen.line};
    if (seen.place == patch) sight = {kPatch, "in the patch", seen.line};
    if (seen.place == subject) sight = {kSubject, "in the subject", seen.line};
    if (seen.matters) {
      sight.weight *= kStressed;
      sight.what += ", which says that it matters";
    }
    if (seen.acquitted) {
      sight.weight *= kAcquitted;
      sight.what += ", which says that it is not the cause";
    }
    note(out, word, sight);
  }
  for (const mail::Fact* fact : report.find_all("workload")) note_command(*fact, report, out);
  if (report.failures.empty()) return out;
  const mail::Failure& reported = report.failures.front();
  for (const std::string& frame : reported.frames)
    note(out, lower(frame), {kStack, "in the stack", reported.line});
  if (!reported.culprit.empty())
    note(out, lower(reported.culprit), {kCulprit, "the culprit", reported.line});
  return out;
}

// What a workload declares, as names: of "sched/mm_cid" the last part; not phrases.
std::set<std::string> declared(const spec::HintedWorkload& workload) {
  std::set<std::string> out;
  for (const std::string& name : workload.touches) out.insert(lower(name));
  for (const std::string& area : workload.info.stresses) {
    const std::string last = lower(area.substr(area.rfind('/') + 1));
    if (last.size() > 3 && last.find(' ') == last.npos) out.insert(last);
  }
  return out;
}

struct Match {
  std::string name;
  Sighting seen;
};
// The strongest sighting of a declared name.
std::optional<Match> find(const Names& names, const std::string& pattern) {
  std::optional<Match> best;
  const auto take = [&](const auto& entry) {
    if (!best || best->seen.weight < entry.second.weight) best = {entry.first, entry.second};
  };
  if (pattern.find('*') == pattern.npos) {
    if (const auto found = names.find(pattern); found != names.end()) take(*found);
    return best;
  }
  for (const auto& entry : names)
    if (::fnmatch(pattern.c_str(), entry.first.c_str(), 0) == 0) take(entry);
  return best;
}

}  // namespace

std::vector<Suspect> rank_workloads(const mail::Understanding& report,
                                    std::span<const spec::HintedWorkload> workloads) {
  const Names names = names_of(report);
  std::map<std::string, int> declarers;
  for (const auto& workload : workloads)
    for (const std::string& name : declared(workload)) ++declarers[name];
  std::vector<Suspect> out;
  for (const auto& workload : workloads) {
    Suspect& suspect = out.emplace_back(Suspect{.workload = workload.info.name});
    std::vector<std::pair<double, std::string>> reasons;
    std::set<std::string> counted;  // a word speaks once
    for (const std::string& pattern : declared(workload)) {
      const auto match = find(names, pattern);
      if (!match || !counted.insert(match->name).second) continue;
      const double weight = match->seen.weight / declarers[pattern];
      suspect.score += weight;
      reasons.emplace_back(
          weight, fmt::format("{}: {}, line {}", match->name, match->seen.what, match->seen.line));
    }
    std::ranges::stable_sort(reasons, std::greater{}, &std::pair<double, std::string>::first);
    for (auto& [weight, text] : reasons)
      if (suspect.reasons.size() < 6) suspect.reasons.push_back(std::move(text));
  }
  std::ranges::stable_sort(out, std::greater{}, &Suspect::score);
  return out;
}

}  // namespace ktrial::reproduce
