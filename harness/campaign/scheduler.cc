#include "harness/campaign/scheduler.h"

#include <algorithm>
#include <cmath>
#include <random>

namespace ktrial::campaign {
namespace {

constexpr int kGiveUp = 6;          // jobs in a row that judged nothing
constexpr std::size_t kTimes = 20;  // of trials, that the expectation goes by
constexpr int kMostOvertaken = 8;

double nine_of_ten(std::deque<double> times) {
  const auto at = times.begin() + std::ssize(times) * 9 / 10;
  std::nth_element(times.begin(), at, times.end());
  return *at;
}

}  // namespace

Scheduler::Scheduler(std::vector<Task> tasks, Limits limits)
    : tasks_(std::move(tasks)), limits_(std::move(limits)), states_(tasks_.size()) {
  std::mt19937_64 random(limits_.seed);
  for (const Task& task : tasks_) {
    lots_.push_back(random());
    expected_.push_back(task.expected_s);
  }
}

double Scheduler::expected_s(std::size_t cell) const { return expected_[cell]; }

bool Scheduler::wants(std::size_t cell) const {
  const CellState& state = states_[cell];
  if (state.over != Over::no) return false;
  return limits_.goal.kind != spec::Goal::Kind::trials ||
         state.pass + state.fail + state.running < limits_.goal.trials;
}

bool Scheduler::in_time(std::size_t cell, double now) const {
  return !limits_.budget_s || now + expected_[cell] <= *limits_.budget_s;
}

bool Scheduler::fits(std::size_t cell) const {
  if (running_ == 0) return true;
  const engine::Need& need = tasks_[cell].need;
  if (memory_mib_ + need.memory_mib > limits_.room.memory_mib / share_) return false;
  return limits_.at_a_time > 0 ? running_ < limits_.at_a_time
                               : vcpus_ + need.vcpus <= std::max(1, limits_.room.vcpus / share_);
}

// The lowest is next.
Scheduler::Rank Scheduler::rank(std::size_t cell) const {
  const CellState& state = states_[cell];
  const bool early = tasks_[cell].failed_last_night && state.begun() == 0;
  const int handicap = state.strikes == 0 ? 0 : 1 << (2 * std::min(state.strikes, kGiveUp));
  return {!early, state.begun() + handicap, -expected_[cell], lots_[cell], cell};
}

std::optional<std::size_t> Scheduler::next(double now) {
  if (limits_.max_trials && begun_ >= *limits_.max_trials) return std::nullopt;
  std::optional<Rank> due, first;  // with room or without; with room
  for (std::size_t cell = 0; cell < tasks_.size(); ++cell) {
    if (!wants(cell) || !in_time(cell, now)) continue;
    const Rank here = rank(cell);
    if (!due || here < *due) due = here;
    if ((!first || here < *first) && fits(cell)) first = here;
  }
  if (!first) return std::nullopt;
  // A large one must not wait for ever behind small ones.
  if (first != due && ++overtaken_ > kMostOvertaken) return std::nullopt;
  if (first == due) overtaken_ = 0;
  const std::size_t best = std::get<4>(*first);
  const engine::Need& need = tasks_[best].need;
  ++states_[best].running;
  ++begun_;
  ++running_;
  vcpus_ += need.vcpus;
  memory_mib_ += need.memory_mib;
  return best;
}

void Scheduler::ended(std::size_t cell, const Came& came) {
  const engine::Need& need = tasks_[cell].need;
  --states_[cell].running;
  --begun_;
  --running_;
  vcpus_ -= need.vcpus;
  memory_mib_ -= need.memory_mib;
  count(cell, came);
}

void Scheduler::recall(std::size_t cell, const Came& came) { count(cell, came); }

void Scheduler::count(std::size_t cell, const Came& came) {
  CellState& state = states_[cell];
  const int trials = came.pass + came.fail + came.inconclusive;
  begun_ += trials;
  state.pass += came.pass;
  state.fail += came.fail;
  state.inconclusive += came.inconclusive;
  state.strikes = came.pass + came.fail > 0 ? 0 : state.strikes + 1;
  if (trials > 0) {
    state.took.push_back(came.seconds / trials);
    if (state.took.size() > kTimes) state.took.pop_front();
    expected_[cell] = nine_of_ten(state.took);
  }
  const stats::Tally judged = state.judged();
  const spec::Goal& goal = limits_.goal;
  using Kind = spec::Goal::Kind;
  if (came.broken) {
    state.over = Over::broken;
  } else if ((goal.kind == Kind::trials && judged.trials >= goal.trials) ||
             (goal.kind == Kind::until_fail && judged.fails > 0) ||
             (goal.kind == Kind::rate_below &&
              stats::surely_below(judged, goal.rate_below, limits_.confidence))) {
    state.over = Over::goal_reached;
  } else if (goal.kind == Kind::rate_below &&
             stats::surely_below({judged.passes(), judged.trials}, 1 - goal.rate_below,
                                 limits_.confidence)) {
    state.over = Over::goal_refuted;
  } else if (state.strikes >= kGiveUp) {
    state.over = Over::host;
  }
}

bool Scheduler::done(double now) const {
  if (running_ > 0) return false;
  if (limits_.max_trials && begun_ >= *limits_.max_trials) return true;
  for (std::size_t cell = 0; cell < tasks_.size(); ++cell)
    if (wants(cell) && in_time(cell, now)) return false;
  return true;
}

std::optional<double> Scheduler::left_s(double now) const {
  std::optional<double> left;
  if (limits_.budget_s) left = std::max(0.0, *limits_.budget_s - now);
  if (limits_.goal.kind != spec::Goal::Kind::trials) return left;
  // vCPU-seconds of work, or of slots, as expected; of what runs, half is done.
  double work = 0, worked = 0;
  for (std::size_t cell = 0; cell < tasks_.size(); ++cell) {
    const CellState& state = states_[cell];
    const int vcpus = std::min(tasks_[cell].need.vcpus, std::max(1, limits_.room.vcpus));
    const double each = expected_[cell] * (limits_.at_a_time > 0 ? 1 : vcpus);
    const double half = state.running * 0.5;
    worked += each * (state.pass + state.fail + state.inconclusive + half);
    if (state.over == Over::no)
      work += each * (limits_.goal.trials - state.pass - state.fail - half);
  }
  double pace = limits_.at_a_time > 0 ? limits_.at_a_time : std::max(1, limits_.room.vcpus);
  // A guess of a trial's time may be far too low.
  if (now > 0 && worked > 0) pace = std::min(pace, worked / now);
  return left ? std::min(*left, work / pace) : work / pace;
}

}  // namespace ktrial::campaign
