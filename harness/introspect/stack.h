// Stacks of a paused guest.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "harness/introspect/orc.h"
#include "harness/introspect/tasks.h"

namespace ktrial::introspect {

struct Frame {
  std::uint64_t address = 0;
  // False: found by scanning the stack for what looks like a return address.
  bool certain = true;
};

struct Registers {
  std::uint64_t rip = 0, rsp = 0, rbp = 0;
};

inline constexpr std::size_t kMaxFrames = 64;

// Innermost first. Goes on through interrupts and exceptions to what they interrupted, and
// ends in user mode. `orc` may be null: then all but the first frame are guesses.
std::vector<Frame> unwind(const KernelView& kernel, const OrcTables* orc,
                          const Registers& registers);
// Of a task that does not run.
std::vector<Frame> unwind_sleeping(const KernelView& kernel, const OrcTables* orc,
                                   const Task& task);

}  // namespace ktrial::introspect
