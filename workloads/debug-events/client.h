// The traced processes.
#pragma once

#include <cstdint>

#include "workloads/debug-events/shared.h"

namespace ktrial::debug_events {

enum class Part {
  staged,     // one operation per stage; before each, its memory is read by the debugger
  endless,    // operations until it is told to leave
  discovery,  // makes threads, one after the other; all live until it is told to leave
};

// In a forked process, from its first word to its last: exits with kHealthy, or says
// what was wrong. `amount`: stages or threads.
[[noreturn]] void be_client(Client& self, Part part, std::uint32_t amount, std::uint64_t seed);

}  // namespace ktrial::debug_events
