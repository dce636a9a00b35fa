// The monotonic clock and a deadline on it.
#pragma once

#include <cstdint>
#include <ctime>

namespace ktrial::workload {

inline std::int64_t now_ns() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1'000'000'000LL + t.tv_nsec;
}

inline void sleep_us(std::int64_t us) {
  timespec t{us / 1'000'000, us % 1'000'000 * 1000};
  while (nanosleep(&t, &t) != 0) {
  }
}

// Busy in user mode.
inline void spin_until(std::int64_t end_ns) {
  while (now_ns() < end_ns) {
  }
}

class Deadline {
 public:
  explicit Deadline(double seconds)
      : end_ns_(now_ns() + static_cast<std::int64_t>(seconds * 1e9)) {}
  bool passed() const { return now_ns() >= end_ns_; }
  std::int64_t end_ns() const { return end_ns_; }

 private:
  std::int64_t end_ns_;
};

}  // namespace ktrial::workload
