// Finds kernel reports (oopses, lockups, sanitizer reports, ...) in console output: bytes in,
// findings out. Pure: no clock, no I/O. The formats are those of Linux 5.10 to 7.x; older ones and
// other architectures are read where they differ little.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/console/kinds.h"

namespace ktrial::console {

struct Finding {
  std::string title;  // in syzbot's grammar, e.g. "INFO: rcu detected stall in F"
  Kind kind = Kind::warning;
  // Our own judgement of the function at fault, e.g. the one that spins with interrupts off rather
  // than the one that waits for it. Empty when unknown.
  std::string culprit;
  std::optional<int> cpu;                       // of the culprit, where known
  std::string task;                             // of the culprit ("comm"), where known
  std::uint64_t first_line = 0, last_line = 0;  // 1-based, in the fed stream
  bool corrupted = false;  // the report is cut, interleaved beyond use, or lost messages
  int severity = 0;        // greater is worse; see severity_of()
  std::string excerpt;     // the report's text without control bytes, at most 16 KiB
};

// A line that speaks of the machine under the kernel rather than of the kernel: an unstable clock,
// an NMI handler that took too long, dropped messages.
struct EnvironmentMark {
  std::uint64_t line = 0;  // 1-based
  std::string text;        // at most 256 bytes
  bool dropped_messages = false;
};

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
