// Stacks of a paused guest.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "harness/introspect/tasks.h"

namespace ktrial::introspect {

struct Frame {
  std::uint64_t address = 0;
  // False: found by scanning the stack for what looks like a return address.
  bool certain = true;
};

struct Registers {
  std::uint64_t ip = 0, sp = 0, fp = 0;  // instruction, stack, frame
};

inline constexpr std::size_t kMaxFrames = 64;

class Unwinder {
 public:
  virtual ~Unwinder() = default;
  // Innermost first. Goes on through interrupts and exceptions to what they interrupted, and
  // ends in user mode.
  virtual std::vector<Frame> running(const Registers& registers) const = 0;
  // Of a task that does not run.
  virtual std::vector<Frame> sleeping(const Task& task) const = 0;
  // Why all but the first frame are guesses; empty: they are not.
  virtual std::string trouble() const { return ""; }
};

}  // namespace ktrial::introspect
