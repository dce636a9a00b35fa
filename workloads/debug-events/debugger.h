// The debugger process: ptrace(2) with PTRACE_SEIZE and PTRACE_O_TRACEFORK, VFORK,
// CLONE, EXEC and EXIT. It lets every stop run on and writes down what it was.
#pragma once

#include <sys/types.h>

#include <vector>

#include "workloads/debug-events/shared.h"

namespace ktrial::debug_events {

struct Orders {
  std::vector<pid_t> clients;
  std::uint32_t pairs = 0;  // attach to and let go each client so often, first
  bool serve_stages = false;
  bool discover = false;           // all threads that /proc/PID/task shows, too
  std::int64_t hold_vfork_us = 0;  // how long a vfork child is held, and its parent watched
  bool misread = false;            // a planted fault: a wrong byte is seen in a client's memory
};

// In a forked process. Ends with kHealthy when no task is left under it: all have
// ended, or `shared.detach` was set and all were let go. SIGINT ends it as it stands.
[[noreturn]] void be_debugger(const Orders& orders, Shared& shared);

}  // namespace ktrial::debug_events
