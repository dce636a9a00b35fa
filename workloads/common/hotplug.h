// CPUs that go offline and come back, one at a time, while others must stay.
#pragma once

#include <pthread.h>

#include <atomic>
#include <cstdint>
#include <mutex>
#include <set>

namespace ktrial::workload {

class Hotplug {
 public:
  // Of the CPUs that are online now, those that can be switched. `pause_ms`
  // between two cycles, at most; below 0: never. `seed` of the random choice.
  Hotplug(std::int64_t pause_ms, std::uint64_t seed);
  ~Hotplug();  // all are online again
  Hotplug(const Hotplug&) = delete;
  Hotplug& operator=(const Hotplug&) = delete;

  // Waits until none of `cpus` is being switched; they are left alone until
  // `release`. From then on, `touched` grows.
  void hold(const std::set<int>& cpus);
  // CPUs that were offline, or on the way, at any time since `hold`.
  std::set<int> touched();
  void release();

  std::uint64_t cycles() const { return cycles_.load(); }
  // Stops after the cycle at hand.
  void stop();

 private:
  void run();
  int pick();           // one that is not held, now marked as being switched; -1: none
  void cycle(int cpu);  // exits with kBroken if the CPU does not come back

  std::int64_t pause_ms_;
  std::uint64_t random_;
  std::set<int> candidates_;
  std::mutex mutex_;
  std::set<int> held_, touched_;
  int switching_ = -1;
  std::atomic<std::uint64_t> cycles_{0};
  std::atomic<bool> stop_{false};
  bool running_ = false;
  pthread_t thread_{};
};

}  // namespace ktrial::workload
