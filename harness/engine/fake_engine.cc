#include "harness/engine/fake_engine.h"

#include <algorithm>

namespace ktrial::engine {

JobId FakeEngine::submit(run::Job job) {
  const JobId id = submitted_.size() + 1;
  submitted_.emplace(id, std::move(job));
  if (interrupted_)
    done_.push_back({id, Cancelled{}});
  else
    waiting_.push_back(id);
  return id;
}

void FakeEngine::begin_what_fits() {
  while (!waiting_.empty() && std::ssize(running_) < at_a_time_) {
    const JobId id = waiting_.front();
    waiting_.erase(waiting_.begin());
    running_.emplace(id, Running{now_, script_(submitted_.at(id), id)});
  }
  most_at_once_ = std::max(most_at_once_, static_cast<int>(running_.size()));
}

// In the order of time, over all jobs.
void FakeEngine::tell_until(double when) {
  for (;;) {
    double at = when;
    Running* speaker = nullptr;
    JobId id = 0;
    for (auto& [other, one] : running_) {
      if (one.told == one.scripted.events.size()) continue;
      const double next = one.begun + one.scripted.events[one.told].at_s;
      if (next > at || (speaker != nullptr && next == at)) continue;
      at = next;
      speaker = &one;
      id = other;
    }
    if (speaker == nullptr) return;
    const run::Event& event = speaker->scripted.events[speaker->told++];
    if (watcher_) watcher_(id, event);
  }
}

std::optional<Done> FakeEngine::next() {
  begin_what_fits();
  if (done_.empty() && !running_.empty()) {
    const auto end = [](const auto& entry) {
      return entry.second.begun + entry.second.scripted.seconds;
    };
    const auto first = std::ranges::min_element(running_, {}, end);
    const JobId id = first->first;
    const double when = end(*first);
    tell_until(when);
    now_ = when;
    if (const auto found = running_.find(id); found != running_.end()) {  // a watcher may cancel it
      const Scripted& script = found->second.scripted;
      done_.push_back({id, script.how, script.record, script.made});
      running_.erase(found);
    }
  }
  if (done_.empty()) return running_.empty() && waiting_.empty() ? std::nullopt : next();
  Done out = std::move(done_.front());
  done_.erase(done_.begin());
  return out;
}

void FakeEngine::cancel(JobId id) {
  if (std::erase(waiting_, id) + running_.erase(id) > 0) done_.push_back({id, Cancelled{}});
}

void FakeEngine::interrupt() {
  interrupted_ = true;
  for (const auto& [id, job] : submitted_) cancel(id);
}

results::RunRecord fake_record(const std::string& id, results::Outcome outcome,
                               const std::string& signature) {
  results::TrialRecord trial;
  trial.verdict.outcome = outcome;
  trial.verdict.signature = signature;
  trial.verdict.title = outcome == results::Outcome::fail ? "stall in f" : "";
  trial.duration_s = 10;
  results::RunRecord run;
  run.id = id;
  run.state = results::RunState::finished;
  run.verdict = trial.verdict;
  run.trials = {trial};
  return run;
}

}  // namespace ktrial::engine
