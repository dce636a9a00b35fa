// A workload's sign of life: lines "DONE TOTAL text" on the descriptor named by
// KTRIAL_PROGRESS_FD (3). Without that variable, or when the descriptor is not
// open, nothing is written and the workload runs as usual.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "workloads/common/clock.h"

namespace ktrial::workload {

class Progress {
 public:
  // `unit` is the text of every line. The descriptor is made close-on-exec.
  explicit Progress(const char* unit);
  // A number of the run, which every line then holds behind the unit ("; NAME=VALUE ..."): the
  // last one told stands in the trial's record. `name`: [a-z0-9_], at most 40 bytes.
  void tell(std::string name, std::function<std::uint64_t()> value);
  std::string told() const;  // "NAME=VALUE NAME=VALUE"
  // Now, whatever was said before. `total` 0: unknown.
  void report(std::uint64_t done, std::uint64_t total);
  // Unless one was written less than a quarter of a second ago.
  void tick(std::uint64_t done, std::uint64_t total);
  // For processes that must not hold the reader's pipe open.
  int descriptor() const { return fd_; }

 private:
  const char* unit_;
  std::vector<std::pair<std::string, std::function<std::uint64_t()>>> numbers_;
  int fd_ = -1;
  std::int64_t last_ns_ = 0;
};

}  // namespace ktrial::workload
