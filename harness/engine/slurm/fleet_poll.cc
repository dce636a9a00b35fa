// What the scheduler says of tasks, and what follows from it.
#include <fmt/format.h>

#include <algorithm>

#include "harness/engine/slurm/fleet.h"

namespace ktrial::engine::slurm {
namespace {

constexpr double kPollSlower = 1.5;

}  // namespace

void Fleet::poll(double now) {
  const auto ids = arrays();
  if (ids.empty()) {
    next_poll_ = now + pace_.poll_s;
    return;
  }
  ++counts_.polls;
  const auto seen = cluster_.poll(ids);
  if (!seen) {
    trouble(seen.error(), now);
    poll_every_ = std::min(pace_.poll_most_s, std::max(pace_.poll_s, poll_every_ * kPollSlower));
    next_poll_ = now + poll_every_;
    return;
  }
  trouble_since_.reset();
  bool changed = false;
  forgotten_ = 0;
  for (auto& [shard, one] : shards_) {
    if (one.array.empty()) continue;
    const auto found = seen->find(one.array);
    changed |= see(shard, one, found == seen->end() ? std::vector<Sight>{} : found->second, now);
  }
  if (forgotten_ > 0) changed |= recall(now);
  poll_every_ =
      changed ? pace_.poll_s
              : std::min(pace_.poll_most_s, std::max(pace_.poll_s, poll_every_ * kPollSlower));
  next_poll_ = now + poll_every_;
}

bool Fleet::cancelled(JobId id) const {
  const auto found = jobs_.find(id);
  return found != jobs_.end() && found->second.cancelled;
}

bool Fleet::see(const Shard& shard, OneShard& one, const std::vector<Sight>& sights, double now) {
  bool changed = false;
  std::set<int> there;
  for (const Sight& sight : sights) {
    there.insert(sight.index);
    if (const auto task = one.tasks.find(sight.index); task != one.tasks.end())
      changed |= see_one(shard, task->second, sight, now);
  }
  for (auto& [index, task] : one.tasks) {
    if (there.contains(index) || task.state == Sight::State::over) continue;
    ++task.missing;
    ++forgotten_;
  }
  return changed;
}

// Tasks that the last answer did not have: what the accounts say; twice without a word they are
// gone.
bool Fleet::recall(double now) {
  bool changed = false;
  for (const auto& [array, sights] : cluster_.recall())
    for (auto& [shard, one] : shards_) {
      if (one.array != array) continue;
      for (const Sight& sight : sights)
        if (const auto task = one.tasks.find(sight.index);
            task != one.tasks.end() && task->second.missing > 0)
          changed |= see_one(shard, task->second, sight, now);
    }
  for (auto& [shard, one] : shards_)
    for (auto& [index, task] : one.tasks) {
      if (task.missing < 2 || task.state == Sight::State::over) continue;
      changed |= see_one(shard, task,
                         {.index = index,
                          .state = Sight::State::over,
                          .word = "GONE: the scheduler does not know it any more"},
                         now);
    }
  return changed;
}

bool Fleet::see_one(const Shard& shard, AtWork& task, const Sight& sight, double now) {
  const auto was = task.state;
  const bool changed = was != sight.state;
  in_queue_ += (sight.state == Sight::State::waiting) - (task.state == Sight::State::waiting);
  task.state = sight.state;
  task.missing = 0;
  if (!sight.node.empty()) task.node = sight.node;
  task.word = sight.word;
  if (was != Sight::State::waiting && sight.state == Sight::State::waiting) {
    tell(fmt::format("task {} was put back into the queue by the scheduler",
                     shards_.at(shard).array + "_" + std::to_string(sight.index)));
    ++counts_.losses;
  }
  const Task id{shard, sight.index};
  if (sight.state == Sight::State::over && task.ended_by_others)
    doubtful_[id] = now;
  else if (sight.state == Sight::State::over)
    doubtful_.try_emplace(id, now + pace_.late_file_s);
  else if (!doubtful_.empty() && !task.ended_by_others && !cancelled(task.job))
    doubtful_.erase(id);
  return changed;
}

}  // namespace ktrial::engine::slurm
