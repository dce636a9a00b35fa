// A recovered or collected trace into a trial's folder.
#pragma once

#include <string>
#include <vector>

#include "harness/trace/trace.h"
#include "harness/trial/late_evidence.h"

namespace ktrial::trial {

// trace.dat, trace.txt and trace.json. `kernel_log`: its lines, with stamps of the clock that
// the trace goes by; reports in it become marks. Forks, see trace::print_events().
void write_trace(const Scene& scene, trace::Trace& trace,
                 const std::vector<std::string>& kernel_log);

// One more file beside them. That it cannot be written is an event, not an error.
void write_trace_artifact(const Scene& scene, const char* name, const std::string& bytes);

}  // namespace ktrial::trial
