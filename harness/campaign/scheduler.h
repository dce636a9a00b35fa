// Which cell's trial begins next. Pure: time is given, nothing is run; the same plan, seed and
// course of events give the same order.
//
// Among the cells that want more, that can end in time and that there is room for:
//   those that failed last night have their first trial early;
//   then the least known: the one with the fewest trials. Trials in a row that judged nothing, for
//   the host's sake, count as four times as many each time, and after six there are no more;
//   of these the longest, so that the night's end finds short ones to fill it;
//   else the seed decides.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "harness/engine/packing.h"
#include "harness/spec/plan.h"
#include "harness/stats/rate.h"

namespace ktrial::campaign {

// A cell, as far as its place in the order goes.
struct Task {
  engine::Need need;
  double expected_s = 0;  // of a trial, until one has ended: from earlier nights, or a guess
  bool failed_last_night = false;
};

struct Limits {
  std::optional<double> budget_s;  // since the night's begin; unset: none
  std::optional<std::int64_t> max_trials;
  spec::Goal goal;
  double confidence = 0.95;
  std::uint64_t seed = 1;
  engine::Room room;
  int at_a_time = 0;  // see engine::Queue
};

// What came of one job of a cell.
struct Came {
  int pass = 0, fail = 0, inconclusive = 0;
  double seconds = 0;   // that it took
  bool broken = false;  // it can never run: no such kernel, an option that is not granted
};

// Why a cell gets no more.
enum class Over { no, goal_reached, goal_refuted, host, broken };

struct CellState {
  int pass = 0, fail = 0, inconclusive = 0, running = 0;
  int strikes = 0;  // jobs in a row that judged nothing
  Over over = Over::no;
  std::deque<double> took;  // the latest trials', seconds
  stats::Tally judged() const { return {fail, pass + fail}; }
  int begun() const { return pass + fail + inconclusive + running; }
};

class Scheduler {
 public:
  Scheduler(std::vector<Task> tasks, Limits limits);

  // The cell whose trial begins at `now`, seconds since the night's begin; it counts as running
  // until ended(). Nothing: nothing can begin now, see done().
  std::optional<std::size_t> next(double now);
  void ended(std::size_t cell, const Came& came);
  // From here on one of so many that share the host.
  void share(int campaigns) { share_ = campaigns; }
  // Trials of before: of a night that goes on.
  void recall(std::size_t cell, const Came& came);
  // Nothing runs, and nothing will.
  bool done(double now) const;

  const CellState& state(std::size_t cell) const { return states_[cell]; }
  std::size_t cells() const { return tasks_.size(); }
  int running() const { return running_; }
  // Seconds that a trial of the cell takes, as nine of ten did.
  double expected_s(std::size_t cell) const;
  // Seconds until all goals are reached, at the pace so far, or the budget's end; unset: no goal
  // tells.
  std::optional<double> left_s(double now) const;

 private:
  bool wants(std::size_t cell) const;
  bool in_time(std::size_t cell, double now) const;
  bool fits(std::size_t cell) const;
  using Rank = std::tuple<bool, int, double, std::uint64_t, std::size_t>;
  Rank rank(std::size_t cell) const;
  void count(std::size_t cell, const Came& came);

  std::vector<Task> tasks_;
  Limits limits_;
  std::vector<CellState> states_;
  std::vector<std::uint64_t> lots_;  // drawn by the seed
  std::vector<double> expected_;     // of expected_s()
  std::int64_t begun_ = 0;
  int running_ = 0, vcpus_ = 0;
  std::int64_t memory_mib_ = 0;
  int share_ = 1;
  int overtaken_ = 0;  // jobs that began before one that was due, but had no room
};

}  // namespace ktrial::campaign
