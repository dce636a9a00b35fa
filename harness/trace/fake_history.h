// Moments of the scheduler for tests.
#pragma once

#include "harness/trace/history.h"

namespace ktrial::trace {

inline Moment switch_at(unsigned cpu, std::uint64_t ns, int from, int to, bool to_sleep = false) {
  return {.cpu = cpu,
          .ns = ns,
          .pid = from,
          .act = Act::task_switch,
          .from = from,
          .to = to,
          .to_sleep = to_sleep,
          .event = "sched_switch"};
}

inline Moment fork_at(unsigned cpu, std::uint64_t ns, int parent, int child) {
  return {.cpu = cpu,
          .ns = ns,
          .pid = parent,
          .act = Act::fork,
          .from = parent,
          .to = child,
          .event = "sched_process_fork"};
}

}  // namespace ktrial::trace
