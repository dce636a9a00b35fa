// One thread a CPU, pinned and of the highest priority, that only looks at how late it is: woken by
// a timer that interrupts the CPU, and by one that a softirq runs. A CPU that goes away is left
// alone until it is back.
#pragma once

#include <pthread.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <vector>

namespace ktrial::workload {

class Progress;

class Observers {
 public:
  explicit Observers(const std::vector<int>& cpus);
  ~Observers();
  Observers(const Observers&) = delete;
  Observers& operator=(const Observers&) = delete;

  // Their maxima, as numbers of the run.
  void tell(Progress& progress) const;

 private:
  struct Post {
    const Observers* all = nullptr;
    int cpu = 0;
    // us; and how many delays reached watchdog_thresh, half of what makes a soft lockup
    std::atomic<std::uint64_t> delay{0}, softirq{0}, near{0};
    pthread_t thread{};
  };
  static void* stand(void* post);

  std::uint64_t watchdog_us_ = 0;  // 0: the watchdog is off
  std::atomic<bool> stop_{false};
  std::deque<Post> posts_;
};

// The larger of both stays.
void raise_to(std::atomic<std::uint64_t>& most, std::uint64_t value);

}  // namespace ktrial::workload
