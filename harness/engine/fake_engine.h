// An engine for tests of what decides: a script says what comes of each job, in virtual time.
#pragma once

#include <functional>
#include <map>
#include <vector>

#include "harness/engine/engine.h"

namespace ktrial::engine {

class FakeEngine final : public Engine {
 public:
  struct Scripted {
    double seconds = 1;  // that it takes, virtual
    How how = Finished{};
    std::optional<results::RunRecord> record = {};
    std::vector<run::Event> events = {};  // at_s: since the job's start
    std::optional<run::Made> made = {};
  };
  using Script = std::function<Scripted(const run::Job&, JobId)>;

  // `at_a_time` jobs run beside each other, in the order of their submission.
  explicit FakeEngine(Script script, int at_a_time = 1 << 20, Watcher watcher = nullptr)
      : script_(std::move(script)), at_a_time_(at_a_time), watcher_(std::move(watcher)) {}

  JobId submit(run::Job job) override;
  std::optional<Done> next() override;
  void cancel(JobId job) override;

  double now() const { return now_; }  // virtual seconds
  const std::map<JobId, run::Job>& submitted() const { return submitted_; }
  int most_at_once() const { return most_at_once_; }
  // As by a signal: all that runs or waits is cancelled, and what comes later.
  void interrupt();

 private:
  struct Running {
    double begun = 0;
    Scripted scripted;
    std::size_t told = 0;  // events
  };
  void begin_what_fits();
  void tell_until(double when);

  Script script_;
  int at_a_time_;
  Watcher watcher_;
  double now_ = 0;
  std::map<JobId, run::Job> submitted_;
  std::vector<JobId> waiting_;
  std::map<JobId, Running> running_;
  std::vector<Done> done_;
  int most_at_once_ = 0;
  bool interrupted_ = false;
};

// A record of one trial, for scripts.
results::RunRecord fake_record(const std::string& id, results::Outcome outcome,
                               const std::string& signature = "");

}  // namespace ktrial::engine
