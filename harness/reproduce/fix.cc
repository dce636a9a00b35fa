#include "harness/reproduce/fix.h"

#include <fmt/format.h>

#include <algorithm>

namespace ktrial::reproduce {
namespace {

// A fix is to end a failure, not to make it a little rarer: odds of 19 are 5 % for 50 %.
constexpr stats::SequentialOptions kTest{.alpha = 0.05, .beta = 0.10, .odds = 19, .floor = 0.05};
constexpr int kPatience = 3;  // inconclusive trials in a row

class Pairs {
 public:
  Pairs(const spec::TrialSpec& setting, const Expected& expected, const run::Job& job,
        engine::Engine& engine, const FixOptions& options, const Tell& tell)
      : setting_(setting),
        expected_(expected),
        job_(job),
        engine_(engine),
        options_(options),
        tell_(tell) {}

  Result<FixTrial> run(const std::string& without, const std::string& with) {
    for (int pair = 0; pair < options_.most_pairs && out_.seconds < options_.budget_s; ++pair) {
      const auto a = KTRIAL_TRY(judged_trial(without, pair, "without"));
      if (!a) break;
      const auto b = KTRIAL_TRY(judged_trial(with, pair, "with"));
      if (!b) break;
      const bool a_fails = shows(*a), b_fails = shows(*b);
      if (judged(*b) && b->record.verdict.outcome == results::Outcome::fail && !b_fails) other(*b);
      test_.pair(a_fails, b_fails);
      ++out_.without.trials;
      out_.without.fails += a_fails;
      ++out_.with.trials;
      out_.with.fails += b_fails;
      out_.known = test_.known();
      if (out_.known != stats::Known::not_yet || leaves_half()) break;
    }
    out_.end = end();
    return out_;
  }

 private:
  // Nothing: it cannot be judged here.
  Result<std::optional<Tried>> judged_trial(const std::string& kernel, int pair, const char* side) {
    spec::TrialSpec spec = setting_;
    spec.kernel = kernel;
    for (int tries = 0; tries < kPatience; ++tries) {
      Tried tried = KTRIAL_TRY(run_trial(spec, job_, engine_, expected_));
      out_.seconds += tried.seconds;
      const results::Verdict& verdict = tried.record.verdict;
      tell_(fmt::format(
          "pair {}, {} the fix: {}", pair + 1, side,
          shows(tried)                                ? "the reported failure: " + verdict.title
          : verdict.outcome == results::Outcome::fail ? "another failure: " + verdict.title
          : verdict.outcome == results::Outcome::pass ? "pass"
                                                      : "not judged: " + verdict.reason));
      if (judged(tried)) return tried;
    }
    return std::nullopt;
  }

  void other(const Tried& tried) {
    const std::string& title = tried.record.verdict.title;
    if (std::ranges::find(out_.others, title) == out_.others.end()) out_.others.push_back(title);
  }

  // With the fix it still fails at least half as often: where both always fail no pair differs, and
  // the test of pairs would go on for ever.
  bool leaves_half() const {
    return out_.without.fails > 0 &&
           stats::anytime_lower(out_.with, 0.95) >= out_.without.rate() / 2;
  }

  FixEnd end() const {
    using enum stats::Known;
    if (out_.known == better) return out_.with.fails == 0 ? FixEnd::fixed : FixEnd::better;
    if (out_.without.fails == 0 && out_.with.fails == 0) return FixEnd::not_failed;
    if (out_.known == not_yet && !leaves_half()) return FixEnd::not_known;
    return FixEnd::not_fixed;
  }

  const spec::TrialSpec& setting_;
  const Expected& expected_;
  const run::Job& job_;
  engine::Engine& engine_;
  const FixOptions& options_;
  const Tell& tell_;
  stats::PairTest test_{kTest};
  FixTrial out_;
};

}  // namespace

Result<FixTrial> try_fix(const spec::TrialSpec& setting, const std::string& without,
                         const std::string& with, const Expected& expected, const run::Job& job,
                         engine::Engine& engine, const FixOptions& options, const Tell& tell) {
  return Pairs(setting, expected, job, engine, options, tell).run(without, with);
}

}  // namespace ktrial::reproduce
