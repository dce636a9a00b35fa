#include "harness/console/sight.h"

#include "harness/console/skip_list.h"

namespace ktrial::console {

Sight sight_of(std::span<const Frame> frames) {
  // How far from the innermost real function its surroundings still say what it does.
  constexpr int kNear = 8, kVeryNear = 4;
  Sight sight;
  int seen = 0;
  int top = -1;
  for (const Frame& frame : frames) {
    if (frame.uncertain || frame.symbol.empty()) continue;
    if (is_idle(frame.symbol) && (top < 0 || seen - top < 3)) sight.idle = true;
    if (top < 0 && waits_for_others(frame.symbol)) {
      if (sight.waits_in.empty()) sight.waits_in = frame.symbol;
    } else if (top < 0 && !skipped(frame.symbol, Skip::stall)) {
      top = seen;
      sight.function = frame.symbol;
    } else if (top >= 0 && seen - top <= kVeryNear && frame.symbol == "__schedule") {
      sight.inside_schedule = true;
    } else if (top >= 0 && seen - top <= kNear && waits_for_others(frame.symbol)) {
      if (sight.waits_in.empty()) sight.waits_in = frame.symbol;  // what it waits in calls this
    }
    ++seen;
  }
  return sight;
}

}  // namespace ktrial::console
