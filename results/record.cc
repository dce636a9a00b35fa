#include "results/record.h"

#include <algorithm>
#include <array>

#include "results/version.h"

namespace ktrial::results {
namespace {

std::string_view the_version = KTRIAL_VERSION;

constexpr std::array<std::string_view, 3> kOutcomes = {"pass", "fail", "inconclusive"};
constexpr std::array<std::string_view, 3> kStates = {"running", "finished", "interrupted"};

template <class E, std::size_t N>
std::optional<E> parse(const std::array<std::string_view, N>& names, std::string_view text) {
  auto it = std::ranges::find(names, text);
  if (it == names.end()) return std::nullopt;
  return static_cast<E>(it - names.begin());
}

std::string of(std::size_t n, std::size_t total) {
  return std::to_string(n) + " of " + std::to_string(total);
}

Verdict failed(const std::vector<TrialRecord>& trials, std::size_t fails) {
  const TrialRecord* chosen = nullptr;
  std::ptrdiff_t most = 0;
  for (const TrialRecord& trial : trials) {
    if (trial.verdict.outcome != Outcome::fail) continue;
    auto same = std::ranges::count_if(trials, [&](const TrialRecord& other) {
      return other.verdict.outcome == Outcome::fail &&
             other.verdict.signature == trial.verdict.signature;
    });
    if (same > most) {
      most = same;
      chosen = &trial;
    }
  }
  Verdict result = chosen->verdict;
  if (trials.size() > 1) {
    std::string counts = of(fails, trials.size()) + " trials failed";
    if (static_cast<std::size_t>(most) != fails)
      counts += ", " + std::to_string(most) + " of them so";
    result.reason = counts + (result.reason.empty() ? "" : ": " + result.reason);
  }
  return result;
}

}  // namespace

std::string_view name(Outcome outcome) { return kOutcomes[static_cast<std::size_t>(outcome)]; }
std::optional<Outcome> parse_outcome(std::string_view text) {
  return parse<Outcome>(kOutcomes, text);
}
std::string_view name(RunState state) { return kStates[static_cast<std::size_t>(state)]; }
std::optional<RunState> parse_run_state(std::string_view text) {
  return parse<RunState>(kStates, text);
}

std::string_view ktrial_version() { return the_version; }
void set_ktrial_version(std::string_view version) { the_version = version; }

Verdict overall(const std::vector<TrialRecord>& trials, int expected) {
  auto outcome_of = [](const TrialRecord& trial) { return trial.verdict.outcome; };
  auto count = [&](Outcome outcome) {
    return static_cast<std::size_t>(std::ranges::count(trials, outcome, outcome_of));
  };
  const std::size_t fails = count(Outcome::fail), passes = count(Outcome::pass);
  if (trials.empty()) return {.reason = "no trial was completed"};
  if (fails > 0) return failed(trials, fails);

  const std::size_t wanted =
      std::max(trials.size(), static_cast<std::size_t>(std::max(expected, 0)));
  if (passes == wanted) {
    Verdict result = trials.front().verdict;
    if (wanted > 1) result.reason = "all " + std::to_string(wanted) + " trials passed";
    return result;
  }
  auto odd = std::ranges::find(trials, Outcome::inconclusive, outcome_of);
  if (odd == trials.end())
    return {.reason = "only " + of(trials.size(), wanted) + " trials were completed"};
  Verdict result = odd->verdict;
  if (wanted > 1)
    result.reason = of(wanted - passes, wanted) + " trials were not judged" +
                    (result.reason.empty() ? "" : ": " + result.reason);
  return result;
}

}  // namespace ktrial::results
