// A fleet's decisions: what is handed to the scheduler and when, what is asked of it and how often,
// what is lost and goes once more. Pure but for its two ports; time is given. Keeps in mind what is
// open, and nothing of what is over.
//
// A task is over when it says so itself, by a file; the scheduler is asked, at intervals, about
// those that say nothing. A job that was lost before a trial of it was committed is handed over
// again, a bounded number of times; one with a committed trial never is.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <set>
#include <string>

#include "harness/engine/slurm/cluster.h"
#include "harness/engine/slurm/nodes.h"

namespace ktrial::engine::slurm {

// Seconds, and numbers; what a scheduler's administrator may want to be otherwise.
struct Pace {
  int largest_array = 500;
  int most_at_once = 0;  // tasks with the scheduler; 0: as many as there are jobs
  int attempts = 4;      // of a job
  // Between arrays: when nothing waits in the scheduler's queue, and when something does.
  double submit_soon_s = 1, submit_s = 5;
  // Between questions to the scheduler: just after something changed, and at most.
  double poll_s = 5, poll_most_s = 30;
  // Between looks into the shared folder.
  double look_s = 0.25, look_most_s = 2;
  double lease_s = 60;
  // Limits, see spec/timeouts.h.
  double away_s = 0, late_file_s = 0, cancel_s = 0;
};

struct FleetHooks {
  std::function<void(const std::string&)> tell = {};  // a line: what was lost, and why
  // The task's files still lie there; hear what they have to say.
  std::function<void(JobId, const Task&)> hear = {};
};

class Fleet {
 public:
  Fleet(Pace pace, Cluster& cluster, Spool& spool, FleetHooks hooks)
      : pace_(pace), cluster_(cluster), spool_(spool), hooks_(std::move(hooks)) {}

  // What an earlier process left, before anything is submitted: its tasks go on, and serve jobs
  // that ask for the same.
  void adopt();
  // `expected_s`: the longest go first.
  void submit(JobId id, run::Job job, const Ask& ask, double expected_s);
  // `waiting_only`: what runs comes to its end.
  void cancel(JobId id, double now, bool waiting_only = false);
  // The scheduler ends all that it still has. For the end, or for tasks of before that nobody
  // asked for.
  void release();
  // Does what is due; the time at which something is due again.
  double step(double now);

  struct Settled {
    JobId job = 0;
    How how;
    std::string run;  // in the store; may be empty
  };
  std::deque<Settled> settled;

  bool idle() const { return jobs_.empty(); }
  bool has(JobId id) const { return jobs_.contains(id); }
  // Tasks that run now, with the job of each.
  std::vector<std::pair<JobId, Task>> running() const;
  const Nodes& nodes() const { return nodes_; }
  int unclaimed() const;
  struct Counts {
    std::int64_t arrays = 0, tasks = 0, polls = 0, losses = 0, adopted = 0;
  };
  const Counts& counts() const { return counts_; }

 private:
  struct Open {
    run::Job job;
    Ask ask;
    double expected_s = 0;
    std::optional<Task> task = {};  // unset: it waits here
    double not_before = 0;
    int attempts = 0, free_attempts = 0;
    bool cancelled = false;
  };
  struct AtWork {   // a task that the scheduler has
    JobId job = 0;  // 0: an earlier process's, that no job asked for yet
    Sight::State state = Sight::State::waiting;
    std::string word, node;
    int missing = 0;
    bool ended_by_others = false;  // its last word is there, why it ended is not
  };
  struct OneShard {
    std::string array;
    std::map<int, AtWork> tasks;
  };

  void look(double now);
  bool wait_for_word(const Task& task, const Told& told, double now);
  void poll(double now);
  bool recall(double now);
  bool see(const Shard& shard, OneShard& one, const std::vector<Sight>& sights, double now);
  bool see_one(const Shard& shard, AtWork& task, const Sight& sight, double now);
  void expire(double now);
  void send_cancels(double now);
  bool cancelled(JobId id) const;
  void hand_over(double now);
  std::vector<JobId> next_array(double now) const;
  void refused(const std::vector<JobId>& ids, const Error& error, double now);
  void settle(const Task& task, const Told& told, double now);
  void decide(JobId id, Open& open, const AtWork& was, const Told& told, double now);
  void lost(JobId id, Open& open, const AtWork& was, const Told& told, double now);
  void again(JobId id, Open& open, const std::string& why, bool charged, const How& else_how,
             const std::string& run, double now);
  void finish(JobId id, How how, const std::string& run);
  void blame(const std::string& node, bool good, const std::string& why);
  void tell(const std::string& text) const;
  void trouble(const Error& error, double now);
  std::vector<std::string> arrays() const;

  const Pace pace_;
  Cluster& cluster_;
  Spool& spool_;
  const FleetHooks hooks_;
  std::map<JobId, Open> jobs_;
  std::map<Shard, OneShard> shards_;
  std::map<std::string, std::vector<Task>> unclaimed_;  // by what they are of
  std::set<JobId> waiting_;                             // here
  std::map<Task, double> doubtful_;  // when they count as over without a last word
  Nodes nodes_;
  std::map<Ask, int> refusals_;
  std::optional<double> trouble_since_;
  std::vector<std::string> to_cancel_;
  double next_look_ = 0, next_poll_ = 0, next_hand_over_ = 0, next_lease_ = 0, next_cancel_ = 0;
  double look_every_ = 0, poll_every_ = 0, retry_s_ = 0;
  std::int64_t at_work_ = 0, in_queue_ = 0;  // tasks of the scheduler; that wait there
  std::int64_t forgotten_ = 0;               // that its last answer did not have
  Counts counts_;
};

// Jobs that one task may serve alike: of which template a trial starts is its engine's choice.
std::string sameness(const run::Job& job);

}  // namespace ktrial::engine::slurm
