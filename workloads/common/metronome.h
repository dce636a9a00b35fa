// A clock that stands still while any online CPU does. Its thread visits the
// CPUs in turn; what it counts is time in which all of them ran ordinary
// threads, at the pace of a machine that is not held up. A limit in this clock needs no scaling: a
// slow or starved guest makes it slow too. A CPU that is stuck stops it for good; the workload's
// progress then ends, which is for the host to judge.
#pragma once

#include <pthread.h>

#include <atomic>
#include <cstdint>
#include <vector>

namespace ktrial::workload {

class Metronome {
 public:
  explicit Metronome(std::vector<int> cpus);
  ~Metronome();
  Metronome(const Metronome&) = delete;
  Metronome& operator=(const Metronome&) = delete;

  double seconds() const { return static_cast<double>(time_ns_.load()) / 1e9; }
  // Rounds of visits that ended; every CPU online throughout was in each.
  std::uint64_t rounds() const { return rounds_.load(); }

 private:
  void run();

  std::vector<int> cpus_;
  std::atomic<std::int64_t> time_ns_{0};
  std::atomic<std::uint64_t> rounds_{0};
  std::atomic<bool> stop_{false};
  pthread_t thread_{};
};

}  // namespace ktrial::workload
