#include "harness/bundle/replay.h"

#include <algorithm>

#include "harness/base/file.h"
#include "harness/bundle/writer.h"
#include "harness/run/run.h"
#include "harness/trial/kept_evidence.h"

namespace ktrial::bundle {
using results::TrialRecord;

namespace {

constexpr std::size_t kMostLog = 65u << 20;  // bytes; what results::ConsoleLog keeps, and a line

Result<Judged> judge_one(const TrialRecord& stored, const results::SpecSummary& spec) {
  const auto kept = KTRIAL_TRY(trial::read_evidence(stored.artifacts, stored, spec));
  Judged out{.stored = stored,
             .judged = trial::judged_again(kept, stored),
             .changed = {},
             .assumed = kept.assumed};
  out.changed = changes(out.stored, out.judged);
  return out;
}

}  // namespace

Result<Replayed> replay(const Kept& kept, const std::optional<int>& trial, const Choices& choices,
                        const run::Sink& sink) {
  const TrialRecord& then = *KTRIAL_TRY(chosen_trial(kept.run, trial));
  ReplayJob made = KTRIAL_TRY(replay_job(kept, then, choices));
  Replayed out{.trial = then.index,
               .then = then.verdict,
               .now = KTRIAL_TRY(run::run_job(made.job, sink)),
               .same = 0,
               .different = {},
               .notes = std::move(made.notes)};
  const auto is_same = [&](const TrialRecord& one) {
    return same_verdict(then.verdict, one.verdict);
  };
  const auto& trials = out.now.trials;
  out.same = static_cast<int>(std::ranges::count_if(trials, is_same));
  if (trials.empty()) return out;
  const auto alike = std::ranges::find_if(trials, is_same);
  out.different =
      differences({kept.run, then}, {out.now, alike != trials.end() ? *alike : trials.front()});
  return out;
}

Result<JudgedRun> judge_again(const Kept& kept, const std::optional<int>& trial) {
  JudgedRun out;
  if (trial) KTRIAL_TRY(chosen_trial(kept.run, trial));  // there is one
  std::vector<TrialRecord> judged, stored;
  std::optional<Error> first;
  for (const TrialRecord& one : kept.run.trials) {
    if (trial && one.index != *trial) continue;
    auto verdict = judge_one(one, kept.run.spec);
    if (!verdict) {
      out.not_judged.push_back("trial " + std::to_string(one.index) + ": " +
                               verdict.error().message);
      if (!first) first = verdict.error();
      continue;
    }
    judged.push_back(verdict->judged);
    stored.push_back(one);
    out.trials.push_back(*std::move(verdict));
  }
  if (out.trials.empty()) {
    if (first) return std::unexpected(*std::move(first));
    return usage_error(kept.name + " has no trial that was recorded to its end");
  }
  out.stored = results::overall(stored);
  out.verdict = results::overall(judged);
  return out;
}

Result<Compared> compare(const Kept& a, const Kept& b, const std::optional<int>& trial) {
  const TrialRecord& one = *KTRIAL_TRY(chosen_trial(a.run, trial));
  const TrialRecord& other = *KTRIAL_TRY(chosen_trial(b.run, b.is_bundle() ? std::nullopt : trial));
  const std::string console = KTRIAL_TRY(read_file(one.artifacts / "console.log", kMostLog));
  const std::string other_console =
      KTRIAL_TRY(read_file(other.artifacts / "console.log", kMostLog));
  return Compared{one.index,
                  other.index,
                  one.verdict,
                  other.verdict,
                  differences({a.run, one}, {b.run, other}),
                  first_difference(console, other_console)};
}

}  // namespace ktrial::bundle
