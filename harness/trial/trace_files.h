// A recovered or collected trace into a trial's folder.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/trace/trace.h"
#include "harness/trace/writers.h"
#include "harness/trial/late_evidence.h"
#include "results/record.h"

namespace ktrial::trial {

// trace.dat, trace.txt, trace.json and trace.svg. `kernel_log`: its lines, with their stamps;
// reports in it become marks. None when the trace does not go by the default clock. Forks, see trace::print_events().
void write_trace(const Scene& scene, trace::Trace& trace,
                 const std::vector<std::string>& kernel_log);

// The mark of a report whose head is `log_line`; nothing: the line has no stamp. `lead_us`: see
// trace::clock_lead_us().
std::optional<trace::Mark> mark_of(const results::Finding& finding, std::string_view log_line,
                                   std::int64_t lead_us);

// One more file beside them. That it cannot be written is an event, not an error.
void write_trace_artifact(const Scene& scene, const char* name, const std::string& bytes);

}  // namespace ktrial::trial
