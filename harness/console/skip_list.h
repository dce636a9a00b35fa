// Functions that are never the answer to "where?": they report, allocate, copy, lock or wait for
// somebody else, and the function that called them is meant.
#pragma once

#include <string_view>

namespace ktrial::console {

enum class Skip {
  report,  // entry code, stack dumping, sanitizers' own code, library helpers
  stall,   // the same, plus what a timer interrupt runs to find a stall
  hung,    // the same as report, plus the scheduler and sleeping locks
  leak,    // the same as report, plus allocators of every subsystem
};
bool skipped(std::string_view symbol, Skip);

// Whether `symbol`, called by `caller`, is where a subsystem is entered: a system call, a file
// operation, a timer function, a work item, a packet handler.
bool is_entry_point(std::string_view symbol, std::string_view caller);

// A CPU found here waits for another one or has nothing to do; a culprit is looked for elsewhere.
bool waits_for_others(std::string_view symbol);
// What the timer interrupt runs on a CPU before it finds that CPU stalled.
bool is_tick(std::string_view symbol);
bool is_idle(std::string_view symbol);

}  // namespace ktrial::console
