// Finds kernel reports (oopses, lockups, sanitizer reports, ...) in console output: bytes in,
// findings out. Pure: no clock, no I/O. The formats are those of Linux 5.10 to 7.x; older ones and
// other architectures are read where they differ little.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "harness/console/finding.h"
#include "harness/console/kinds.h"

namespace ktrial::console {

class Analyzer {
 public:
  // `fail_on`: the notes that are findings all the same.
  explicit Analyzer(std::vector<Kind> fail_on = {});
  ~Analyzer();
  Analyzer(Analyzer&&) noexcept;
  Analyzer& operator=(Analyzer&&) noexcept;

  // How the stream is cut into pieces makes no difference to the findings.
  void feed(std::string_view bytes);
  // The stream has ended: an unfinished last line counts as a line, an open report is closed.
  void finish();

  // In the order of their first lines. A finding appears with the first line of its report and is
  // refined by the lines that follow. At most kMaxFindings are kept.
  const std::vector<Finding>& findings() const;
  std::uint64_t findings_not_kept() const;
  // Of a kind that is_note(); in the same order, as complete, and as many.
  const std::vector<Finding>& notes() const;
  static constexpr std::size_t kMaxFindings = 256;

  std::uint64_t lines() const;
  // A line was seen that is the kernel's by its stamp, or by a daemon's word: the kernel runs.
  bool saw_kernel_line() const;
  // Without its wrapping, at most 1 KiB.
  std::string last_kernel_line() const;
  // Words of kernel reports stood in several lines, but no line could be told to be the kernel's:
  // a log in a wrapping that nobody knows.
  bool unknown_wrapping() const;
  // The first 256 of them.
  const std::vector<EnvironmentMark>& environment() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ktrial::console
