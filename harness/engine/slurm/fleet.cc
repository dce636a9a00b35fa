#include "harness/engine/slurm/fleet.h"

#include <fmt/format.h>

#include <algorithm>

#include "harness/base/text.h"

namespace ktrial::engine::slurm {
namespace {

constexpr int kMostRefusals = 3;  // of what is asked, by a scheduler that answers
constexpr double kTrouble = 5, kTroubleGrows = 2, kTroubleMost = 60;  // seconds: a failed command
constexpr double kSlower = 1.5;
constexpr std::size_t kCancelAtOnce = 200;  // ids a command

std::string id_of(const std::string& array, int index) {
  return fmt::format("{}_{}", array, index);
}

}  // namespace

std::string sameness(const run::Job& job) {
  run::Job same = job;
  same.spec.start = {};
  same.spec.guest_seed.clear();
  same.spec.confirm_cold = 0;
  same.argv.clear();
  return run::to_json(same);
}

void Fleet::tell(const std::string& text) const {
  if (hooks_.tell) hooks_.tell(text);
}

void Fleet::adopt() {
  for (Spool::Left& left : spool_.left()) {
    if (left.array.empty())
      if (const auto found = cluster_.arrays_of(left.shard); found && !found->empty())
        left.array = found->front();
    OneShard one{left.array, {}};
    for (const auto& [index, job] : left.open) {
      const Task task{left.shard, index};
      // One that the scheduler never got is as if it had never been.
      if (left.array.empty() && spool_.withdraw(task)) continue;
      one.tasks.emplace(index, AtWork{});
      unclaimed_[sameness(job)].push_back(task);
      ++at_work_;
      ++in_queue_;
    }
    if (one.tasks.empty())
      spool_.drop(left.shard);
    else
      shards_.emplace(left.shard, std::move(one));
  }
  if (const int tasks = unclaimed(); tasks > 0)
    tell(fmt::format("{} tasks of an earlier process are with the scheduler", tasks));
}

int Fleet::unclaimed() const {
  int out = 0;
  for (const auto& [key, tasks] : unclaimed_) out += static_cast<int>(tasks.size());
  return out;
}

void Fleet::submit(JobId id, run::Job job, const Ask& ask, double expected_s) {
  Open open{std::move(job), ask, expected_s};
  if (!unclaimed_.empty()) {
    if (const auto found = unclaimed_.find(sameness(open.job)); found != unclaimed_.end()) {
      const Task task = found->second.back();
      found->second.pop_back();
      if (found->second.empty()) unclaimed_.erase(found);
      open.task = task;
      open.attempts = 1;
      shards_.at(task.shard).tasks.at(task.index).job = id;
      ++counts_.adopted;
      jobs_.emplace(id, std::move(open));
      return;
    }
  }
  waiting_.insert(id);
  jobs_.emplace(id, std::move(open));
}

void Fleet::cancel(JobId id, double now, bool waiting_only) {
  const auto found = jobs_.find(id);
  if (found == jobs_.end() || found->second.cancelled) return;
  Open& open = found->second;
  if (!open.task) return finish(id, Cancelled{}, "");
  const Task task = *open.task;
  // Then nobody takes it any more: there is nothing to wait for.
  const bool never_began = spool_.withdraw(task);
  if (!never_began && waiting_only) return;
  open.cancelled = true;
  to_cancel_.push_back(id_of(shards_.at(task.shard).array, task.index));
  if (never_began) return settle(task, {.abandoned = true}, now);
  doubtful_.try_emplace(task, now + pace_.cancel_s);
  poll_every_ = pace_.poll_s;
  next_poll_ = std::min(next_poll_, now + pace_.poll_s);
}

void Fleet::release() {
  to_cancel_.clear();
  for (const auto& [shard, one] : shards_) {
    bool none_began = true;
    for (const auto& [index, task] : one.tasks) none_began &= spool_.withdraw({shard, index});
    if (!one.array.empty()) to_cancel_.push_back(one.array);
    if (none_began) spool_.drop(shard);
  }
  for (std::size_t at = 0; at < to_cancel_.size(); at += kCancelAtOnce) {
    const auto from = to_cancel_.begin() + static_cast<std::ptrdiff_t>(at);
    const auto count = std::min(kCancelAtOnce, to_cancel_.size() - at);
    (void)cluster_.cancel({from, from + static_cast<std::ptrdiff_t>(count)}, false);
  }
  to_cancel_.clear();
  unclaimed_.clear();
}

void Fleet::send_cancels(double now) {
  if (to_cancel_.empty() || now < next_cancel_) return;
  const std::size_t count = std::min(to_cancel_.size(), kCancelAtOnce);
  const std::vector<std::string> ids(to_cancel_.end() - static_cast<std::ptrdiff_t>(count),
                                     to_cancel_.end());
  if (const auto done = cluster_.cancel(ids, false)) {
    to_cancel_.resize(to_cancel_.size() - count);
    next_cancel_ = now + pace_.submit_soon_s;
  } else {
    trouble(done.error(), now);
    next_cancel_ = now + kTrouble;
  }
}

double Fleet::step(double now) {
  if (!shards_.empty() && now >= next_lease_) {
    spool_.keep_lease();
    next_lease_ = now + pace_.lease_s;
  }
  send_cancels(now);
  if (now >= next_look_) look(now);
  if (now >= next_poll_) poll(now);
  expire(now);
  if (now >= next_hand_over_) hand_over(now);
  double next = now + pace_.look_most_s;
  if (!shards_.empty()) next = std::min({next, next_look_, next_poll_});
  if (!waiting_.empty()) next = std::min(next, std::max(next_hand_over_, now + pace_.look_s));
  return next;
}

void Fleet::look(double now) {
  bool some = false;
  std::vector<Task> ended;
  for (const auto& [shard, one] : shards_)
    for (const int index : spool_.ended(shard))
      if (one.tasks.contains(index)) ended.push_back({shard, index});
  for (const Task& task : ended) {
    some = true;
    const Told told = spool_.told(task);
    if (!wait_for_word(task, told, now)) settle(task, told, now);
  }
  look_every_ = some ? pace_.look_s
                     : std::min(pace_.look_most_s, std::max(pace_.look_s, look_every_ * kSlower));
  next_look_ = now + look_every_;
}

// A task that somebody else ended: why, the scheduler will say.
bool Fleet::wait_for_word(const Task& task, const Told& told, double now) {
  AtWork& at_work = shards_.at(task.shard).tasks.at(task.index);
  // A helper of the task's may be ended before the task is: then it tells what it could not do.
  const bool others =
      told.exit == 130 || (told.error && told.error->kind == ErrorKind::environment);
  if (!others || at_work.state == Sight::State::over || cancelled(at_work.job)) return false;
  at_work.ended_by_others = true;
  poll_every_ = pace_.poll_s;
  next_poll_ = std::min(next_poll_, now + pace_.poll_s);
  doubtful_.try_emplace(task, now + 2 * pace_.poll_s + pace_.late_file_s);
  return true;
}

std::vector<std::string> Fleet::arrays() const {
  std::vector<std::string> out;
  for (const auto& [shard, one] : shards_)
    if (!one.array.empty()) out.push_back(one.array);
  return out;
}

// Tasks that are over by the scheduler's word, and whose own last word did not come.
void Fleet::expire(double now) {
  std::vector<Task> over;
  for (const auto& [task, due] : doubtful_)
    if (now >= due) over.push_back(task);
  for (const Task& task : over) {
    spool_.withdraw(task);
    settle(task, spool_.told(task), now);
  }
  if (!trouble_since_ || now < *trouble_since_ + pace_.away_s) return;
  trouble_since_.reset();
  std::vector<JobId> all;
  for (const auto& [id, open] : jobs_) all.push_back(id);
  for (const JobId id : all)
    finish(id, Lost{"the scheduler has not answered for " + spoken_seconds(pace_.away_s)}, "");
}

// The jobs of the next array: of those that ask the same as who waits longest, the longest first.
std::vector<JobId> Fleet::next_array(double now) const {
  std::vector<std::pair<double, JobId>> chosen;
  const Ask* ask = nullptr;
  for (const JobId id : waiting_) {
    const Open& open = jobs_.at(id);
    if (open.not_before > now) continue;
    if (ask == nullptr) ask = &open.ask;
    if (open.ask == *ask) chosen.emplace_back(-open.expected_s, id);
  }
  std::ranges::sort(chosen);
  std::int64_t most = pace_.largest_array;
  if (pace_.most_at_once > 0)
    most = std::min(most, std::max<std::int64_t>(0, pace_.most_at_once - at_work_));
  chosen.resize(std::min(chosen.size(), static_cast<std::size_t>(most)));
  std::vector<JobId> out;
  for (const auto& [expected, id] : chosen) out.push_back(id);
  return out;
}

void Fleet::hand_over(double now) {
  const auto ids = next_array(now);
  if (ids.empty()) return;
  std::vector<const run::Job*> jobs;
  for (const JobId id : ids) jobs.push_back(&jobs_.at(id).job);
  const Ask ask = jobs_.at(ids.front()).ask;
  auto shard = spool_.put(jobs);
  if (!shard) return refused({}, shard.error(), now);
  auto array = cluster_.submit({*shard,
                                static_cast<int>(ids.size()),
                                ask,
                                {nodes_.avoided().begin(), nodes_.avoided().end()}});
  if (!array) {
    // Whether it got them after all is not known: so none of them may begin.
    for (int i = 0; i < std::ssize(ids); ++i) spool_.withdraw({*shard, i});
    spool_.drop(*shard);
    return refused(ids, array.error(), now);
  }
  (void)spool_.submitted(*shard, *array);  // else it is found by its name
  retry_s_ = 0;
  trouble_since_.reset();
  refusals_.erase(ask);
  ++counts_.arrays;
  OneShard one{*array, {}};
  for (int i = 0; i < std::ssize(ids); ++i) {
    Open& open = jobs_.at(ids[static_cast<std::size_t>(i)]);
    open.task = Task{*shard, i};
    ++open.attempts;
    one.tasks.emplace(i, AtWork{.job = ids[static_cast<std::size_t>(i)]});
    waiting_.erase(ids[static_cast<std::size_t>(i)]);
    ++counts_.tasks;
  }
  // Who waits in the queue keeps the nodes busy until the next array.
  const bool some_waited = in_queue_ > 0;
  at_work_ += std::ssize(ids);
  in_queue_ += std::ssize(ids);
  shards_.emplace(*shard, std::move(one));
  next_hand_over_ = now + (some_waited ? pace_.submit_s : pace_.submit_soon_s);
  poll_every_ = pace_.poll_s;
  next_poll_ = std::max(next_poll_, now + pace_.poll_s);
}

// A scheduler that answers and refuses thrice means it; else it is away, and is waited for.
void Fleet::refused(const std::vector<JobId>& ids, const Error& error, double now) {
  trouble(error, now);
  retry_s_ = std::min(kTroubleMost, std::max(kTrouble, retry_s_ * kTroubleGrows));
  next_hand_over_ = now + retry_s_;
  if (ids.empty()) return;
  ++counts_.polls;
  if (!cluster_.poll({})) return;
  const Ask ask = jobs_.at(ids.front()).ask;
  if (++refusals_[ask] < kMostRefusals) return;
  refusals_.erase(ask);
  trouble_since_.reset();
  for (const JobId id : ids) finish(id, Finished{128, error}, "");
}

void Fleet::trouble(const Error& error, double now) {
  if (trouble_since_) return;
  trouble_since_ = now;
  tell(error.message + "; trying on");
}

void Fleet::settle(const Task& task, const Told& told, double now) {
  const auto shard = shards_.find(task.shard);
  if (shard == shards_.end()) return;
  const auto found = shard->second.tasks.find(task.index);
  if (found == shard->second.tasks.end()) return;
  const AtWork was = found->second;
  if (hooks_.hear && was.job != 0) hooks_.hear(was.job, task);
  if (const auto job = jobs_.find(was.job); job != jobs_.end()) {
    job->second.task.reset();
    decide(was.job, job->second, was, told, now);
  } else {
    for (auto& [key, tasks] : unclaimed_) std::erase(tasks, task);
    std::erase_if(unclaimed_, [](const auto& entry) { return entry.second.empty(); });
  }
  doubtful_.erase(task);
  --at_work_;
  in_queue_ -= was.state == Sight::State::waiting;
  shard->second.tasks.erase(found);
  if (!shard->second.tasks.empty()) return;
  spool_.drop(task.shard);
  shards_.erase(shard);
}

std::vector<std::pair<JobId, Task>> Fleet::running() const {
  std::vector<std::pair<JobId, Task>> out;
  for (const auto& [shard, one] : shards_)
    for (const auto& [index, task] : one.tasks)
      if (task.job != 0) out.emplace_back(task.job, Task{shard, index});
  return out;
}

}  // namespace ktrial::engine::slurm
