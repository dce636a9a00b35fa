// What a trace tells of a kernel's end, for the record and the report. Pure.
#pragma once

#include "harness/trace/history.h"
#include "results/record.h"

namespace ktrial::trace {

// The last event and the longest gap of every CPU, who made whom last, children that never
// ran, tasks that are held off in state D. A damaged or uncommitted event is not a last one.
results::TraceStory tell(const History& history);

}  // namespace ktrial::trace
