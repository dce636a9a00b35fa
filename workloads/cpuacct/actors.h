// The processes that use CPU time in the groups. Each waits, asleep, for its start,
// so that it is in its group before it uses any.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>

namespace ktrial::cpuacct {

enum class Act {
  spin,   // user mode
  zero,   // system mode: reads /dev/zero
  forks,  // children that end at once, one after the other
  vforks,
  endless,  // user mode, until SIGKILL
};

class Actor {
 public:
  // Forked and asleep. `burn_ns`: the CPU time that it uses before it ends; it gives
  // up after six times that on the clock.
  Actor(Act act, std::uint64_t burn_ns);
  Actor(Actor&& other) noexcept;
  Actor(const Actor&) = delete;
  pid_t pid() const { return pid_; }
  void start();
  void kill();
  // Whether it has ended; then least_ns() is known. A bad end is a broken invariant.
  bool ended();
  // User and system time of it and its children by wait4, in ns: without all that came
  // before it was awake in its group, and with its waking up.
  std::uint64_t least_ns() const { return least_ns_; }
  std::uint64_t most_ns() const { return most_ns_; }

 private:
  Act act_;
  pid_t pid_ = -1;
  int start_fd_ = -1;
  bool killed_ = false, reaped_ = false;
  std::atomic<std::uint64_t>* before_;  // [2], ns, in shared memory: falls asleep, is awake
  std::uint64_t least_ns_ = 0, most_ns_ = 0;
};

}  // namespace ktrial::cpuacct
