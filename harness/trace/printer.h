// Events as text, as the kernel's own `trace` file shows them, by libtraceevent.
#pragma once

#include <string>

#include "harness/trace/trace.h"

namespace ktrial::trace {

// Fills trace.texts. libtraceevent parses the guest's formats, and crashes on some that make
// no sense: it works in a process of its own, and a format that it dies of is not shown to it
// again. Forks; to be called from a process of one thread.
void print_events(Trace& trace);

// "sched_switch"; "type 1234" if there is no format for it.
std::string event_name(const Trace& trace, const Event& event);
// "prev_comm=a prev_pid=1 ... ==> next_comm=b ...": one line of printable characters. Field
// by field as NAME=VALUE when trace.texts does not have it.
std::string event_text(const Trace& trace, const Event& event);

}  // namespace ktrial::trace
