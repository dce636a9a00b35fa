// What is found on a console.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "harness/console/kinds.h"

namespace ktrial::console {

// Whose fault a report speaks of, by its head alone.
enum class Accuses : std::uint8_t {
  kernel,
  missing_init,      // a panic for want of a root or an init
  lost_ticks,        // a panic over ticks that came too slowly: what a starved host does to a boot
  stale_breakpoint,  // of the kernel's own code patching: TCG may run one that was taken away
};

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
  Accuses accuses = Accuses::kernel;
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

}  // namespace ktrial::console
