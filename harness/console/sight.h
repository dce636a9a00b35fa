// What one CPU is seen doing, judged by its stack alone. One rule for stacks that the
// kernel printed and for those read out of its memory.
#pragma once

#include <span>
#include <string>

#include "harness/console/frames.h"

namespace ktrial::console {

struct Sight {
  // Innermost function that is no infrastructure. Of a CPU that waits: who called the wait.
  std::string function;
  std::string waits_in;          // the function that waits for another CPU; empty: it does not
  bool inside_schedule = false;  // holds a run queue's lock: everybody else waits for this CPU
  bool idle = false;
};

// `frames`: innermost first; without those of the interrupt that looked.
Sight sight_of(std::span<const Frame> frames);

}  // namespace ktrial::console
