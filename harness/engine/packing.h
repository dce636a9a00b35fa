// Which jobs run beside each other: as many as the host has CPUs and memory for. Pure.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "harness/engine/engine.h"

namespace ktrial::engine {

// What a job's machine takes of the host; no vCPUs: it has none.
struct Need {
  int vcpus = 0;
  std::int64_t memory_mib = 0;  // QEMU's own included
};
Need need_of(const run::Job& job);

struct Room {
  int vcpus = 0;  // CPUs that we may use
  std::int64_t memory_mib = 0;
};
// What this host has now.
Room room_here();

// The jobs that wait, oldest first.
class Queue {
 public:
  // `at_a_time`: so many run whatever CPUs the host has; 0: as many as it has CPUs for. Memory is
  // kept to in both cases: what is too much of it ends processes that are not ours.
  Queue(Room room, int at_a_time) : room_(room), at_a_time_(at_a_time) {}

  struct Waiting {
    JobId id = 0;
    run::Job job;
    int overtaken = 0;
  };
  void push(JobId id, run::Job job) { waiting_.push_back({id, std::move(job)}); }
  bool empty() const { return waiting_.empty(); }
  // The job to begin now beside those that run. With nothing beside it, one begins that is larger
  // than the host.
  std::optional<Waiting> take(const std::vector<Need>& running);
  // A job that has not begun; false: it is not here.
  bool remove(JobId id);
  // vCPUs of others that may run beside a job that was just taken: its limits of time follow.
  int beside(const std::vector<Need>& running) const;

 private:
  bool fits(const Need& need, const std::vector<Need>& running) const;
  Room room_;
  int at_a_time_;
  std::deque<Waiting> waiting_;
};

}  // namespace ktrial::engine
