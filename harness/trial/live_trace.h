// The trace of a guest that lives: what it is told before its workload, and what it hands
// over afterwards. (Of one that does not: black_box.h.)
#pragma once

#include "harness/trial/scene.h"

namespace ktrial::trial {

// Before the workload: has the guest's agent set what the kernel's command line could not,
// and look whether all is there. The error (usage) names what this kernel does not have;
// of a preset a part may be missing, which is an event. Nothing asked for: nothing done.
Status set_up_trace(const Scene& scene);

// After the workload: reads the guest's rings into trace.dat, trace.txt, trace.json, and what
// the guest counted into trace.stats. Facts "trace.*" say how much. Trouble is an event.
void collect_trace(const Scene& scene);

}  // namespace ktrial::trial
