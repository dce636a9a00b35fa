// A workload's sign of life: lines "DONE TOTAL text" on the descriptor named by
// KTRIAL_PROGRESS_FD (3). Without that variable, or when the descriptor is not
// open, nothing is written and the workload runs as usual.
#pragma once

#include <cstdint>

#include "workloads/common/clock.h"

namespace ktrial::workload {

class Progress {
 public:
  // `unit` is the text of every line. The descriptor is made close-on-exec.
  explicit Progress(const char* unit);
  // Now, whatever was said before. `total` 0: unknown.
  void report(std::uint64_t done, std::uint64_t total);
  // Unless one was written less than a quarter of a second ago.
  void tick(std::uint64_t done, std::uint64_t total);
  // For processes that must not hold the reader's pipe open.
  int descriptor() const { return fd_; }

 private:
  const char* unit_;
  int fd_ = -1;
  std::int64_t last_ns_ = 0;
};

}  // namespace ktrial::workload
