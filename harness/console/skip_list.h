// Functions that are never the answer to "where?": they report, allocate, copy, lock or wait for
// somebody else, and the function that called them is meant. Most are listed in infrastructure.inc,
// by where the kernel's source defines them; families of names, and what stacks of other versions
// hold, in skip_list.cc.
#pragma once

#include <string_view>

namespace ktrial::console {

enum class Skip {
  report,   // entry code, stack dumping, sanitizers' own code, library helpers
  stall,    // the same, plus what a timer interrupt runs to find a stall
  hung,     // the same as report, plus the scheduler and sleeping locks
  leak,     // the same as report, plus allocators of every subsystem
  trapped,  // the same as report, less what a trap runs: better than nothing
};
bool skipped(std::string_view symbol, Skip);

// Calls a subsystem's own function: a file operation, a timer function, a work item, a system call.
bool is_dispatcher(std::string_view symbol);
// A system call that does many things: ioctl, write, sendmsg.
bool is_multiplexer(std::string_view syscall);
// Below it in a stack stands what an interrupt hit.
bool is_interrupt_entry(std::string_view symbol);

// A CPU found here waits for another one or has nothing to do; a culprit is looked for elsewhere.
bool waits_for_others(std::string_view symbol);
// What the timer interrupt runs on a CPU before it finds that CPU stalled.
bool is_tick(std::string_view symbol);
bool is_idle(std::string_view symbol);

}  // namespace ktrial::console
