#include "harness/reproduce/search.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace ktrial::reproduce {
namespace {

constexpr double kConfidence = 0.95;
// What a trial without the failure takes from the promise of its setting, and of all of its group.
constexpr double kSettingFades = 0.7, kGroupFades = 0.9;
constexpr int kMostLost = 3;  // inconclusive trials of one setting, and it is given up

class Searcher {
 public:
  Searcher(const Experiment& experiment, const run::Job& job, engine::Engine& engine,
           const SearchOptions& options, const Tell& tell)
      : experiment_(experiment),
        job_(job),
        engine_(engine),
        options_(options),
        tell_(tell),
        promise_(experiment.settings.size()),
        lost_(experiment.settings.size(), 0) {
    for (std::size_t i = 0; i < promise_.size(); ++i) promise_[i] = experiment.settings[i].prior;
  }

  Result<Search> run() {
    while (!out_.setting && room()) {
      const auto next = choose();
      if (!next) break;
      KTRIAL_TRY(trial(*next));
    }
    if (out_.setting) KTRIAL_TRY(measure());
    conclude();
    return std::move(out_);
  }

 private:
  bool room() const {
    return out_.seconds < options_.budget_s &&
           (options_.most_trials == 0 || std::ssize(out_.trials) < options_.most_trials);
  }

  std::optional<std::size_t> choose() const {
    std::optional<std::size_t> best;
    for (std::size_t i = 0; i < promise_.size(); ++i) {
      if (lost_[i] >= kMostLost) continue;
      const double of_i = promise_[i] * group(i);
      if (!best || of_i > promise_[*best] * group(*best)) best = i;
    }
    return best;
  }
  double group(std::size_t setting) const {
    const auto found = groups_.find(experiment_.settings[setting].group);
    return found == groups_.end() ? 1 : found->second;
  }

  Status trial(std::size_t index) {
    const Setting& setting = experiment_.settings[index];
    tell_(fmt::format("trial {}: {}, {}, {} CPUs", out_.trials.size() + 1, setting.group,
                      setting.what, setting.spec.cpus));
    Tried tried = KTRIAL_TRY(run_trial(setting.spec, job_, engine_, experiment_.expected));
    tried.setting = index;
    out_.seconds += tried.seconds;
    learn(index, tried);
    say(tried);
    out_.trials.push_back(std::move(tried));
    return {};
  }

  void learn(std::size_t index, const Tried& tried) {
    if (!judged(tried)) {
      ++lost_[index];
      return;
    }
    lost_[index] = 0;
    if (shows(tried)) {
      if (!out_.setting) {
        out_.setting = index;
        out_.first = static_cast<int>(out_.tally(index).trials) + 1;
      }
      return;
    }
    promise_[index] *= kSettingFades;
    groups_.try_emplace(experiment_.settings[index].group, 1).first->second *= kGroupFades;
  }

  void say(const Tried& tried) {
    const results::Verdict& verdict = tried.record.verdict;
    if (shows(tried))
      tell_(fmt::format("the reported failure: {} ({})", verdict.title, tried.match.why));
    else if (verdict.outcome == results::Outcome::fail)
      tell_(fmt::format("another failure: {} ({})", verdict.title, tried.match.why));
    else if (verdict.outcome == results::Outcome::pass)
      tell_("pass");
    else
      tell_("not judged: " + verdict.reason);
  }

  // A number of trials that is fixed before: what they say does not depend on when they end.
  Status measure() {
    for (int tries = 0; out_.measured.trials < options_.measure; ++tries) {
      if (!room() || tries > options_.measure + kMostLost) {
        out_.cut = true;
        return {};
      }
      KTRIAL_TRY(trial(*out_.setting));
      const Tried& last = out_.trials.back();
      if (!judged(last)) continue;
      ++out_.measured.trials;
      out_.measured.fails += shows(last);
    }
    return {};
  }

  void conclude() {
    if (out_.setting) {
      out_.end = End::reproduced;
      return;
    }
    if (experiment_.settings.empty()) {
      out_.why = "there is nothing to run";
      return;
    }
    // Kernels that fail otherwise were not judged for this failure.
    const bool passed = std::ranges::any_of(out_.trials, [](const Tried& tried) {
      return tried.record.verdict.outcome == results::Outcome::pass;
    });
    if (passed) {
      out_.end = End::not_seen;
      return;
    }
    const bool failed = std::ranges::any_of(out_.trials, judged);
    out_.why = failed ? "every trial failed otherwise"
               : out_.trials.empty()
                   ? "there was no time for a trial"
                   : "no trial was judged: " + out_.trials.back().record.verdict.reason;
  }

  const Experiment& experiment_;
  const run::Job& job_;
  engine::Engine& engine_;
  const SearchOptions& options_;
  const Tell& tell_;
  Search out_;
  std::vector<double> promise_;
  std::vector<int> lost_;
  std::map<std::string, double> groups_;
};

}  // namespace

bool judged(const Tried& trial) {
  return trial.record.verdict.outcome != results::Outcome::inconclusive;
}

bool shows(const Tried& trial) {
  return trial.record.verdict.outcome == results::Outcome::fail && trial.match.same != Same::no;
}

stats::Tally Search::tally(std::optional<std::size_t> of) const {
  stats::Tally out;
  for (const Tried& trial : trials) {
    if ((of && trial.setting != *of) || !judged(trial)) continue;
    ++out.trials;
    out.fails += shows(trial);
  }
  return out;
}

stats::Interval Search::interval() const {
  if (!setting) return stats::exact_interval({0, tally().trials}, kConfidence);
  // "Until it was seen" is as exact as a number that was fixed before.
  if (measured.trials == 0) return stats::exact_interval({1, std::max(first, 1)}, kConfidence);
  return cut ? stats::anytime_interval(measured, kConfidence)
             : stats::exact_interval(measured, kConfidence);
}

Result<Tried> run_trial(const spec::TrialSpec& spec, const run::Job& job, engine::Engine& engine,
                        const Expected& expected) {
  run::Job one = job;
  one.spec = spec;
  one.spec.repeat = 1;
  one.spec.until_fail = false;
  one.boots = 2;
  const engine::JobId id = engine.submit(std::move(one));
  for (;;) {
    auto done = engine.next();
    if (!done) return fail(ErrorKind::internal, "a job that is never done");
    if (done->job != id) continue;
    if (std::holds_alternative<engine::Cancelled>(done->how))
      return fail(ErrorKind::interrupted, "interrupted");
    if (const auto* lost = std::get_if<engine::Lost>(&done->how))
      return fail(ErrorKind::environment, "a trial was lost: " + lost->reason);
    const auto& finished = std::get<engine::Finished>(done->how);
    if (!done->record || done->record->trials.empty()) {
      if (finished.error) return std::unexpected(*finished.error);
      return fail(ErrorKind::internal, "a run without a trial");
    }
    Tried out{.record = std::move(done->record->trials.front()), .run = done->record->id};
    out.seconds = out.record.duration_s;
    if (out.record.verdict.outcome == results::Outcome::fail)
      out.match = match(expected, out.record);
    return out;
  }
}

Result<Search> search(const Experiment& experiment, const run::Job& job, engine::Engine& engine,
                      const SearchOptions& options, const Tell& tell) {
  return Searcher(experiment, job, engine, options, tell).run();
}

}  // namespace ktrial::reproduce
