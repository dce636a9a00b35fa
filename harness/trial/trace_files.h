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

// Reports and timeline, for who draws the trace again: see trace::marks_from_json().
inline constexpr char kMarksFile[] = "trace.marks.json";

// trace.dat, trace.txt, trace.json, trace.svg and kMarksFile, with what the trial's timeline holds
// as marks. `kernel_log`: its lines, with their stamps; reports in it become marks, too. None when
// the trace does not go by the default clock. Forks, see trace::print_events().
void write_trace(const Scene& scene, trace::Trace& trace,
                 const std::vector<std::string>& kernel_log);

// The mark of a report whose head is `log_line`; nothing: the line has no stamp. `lead_us`: see
// trace::clock_lead_us().
std::optional<trace::Mark> mark_of(const results::Finding& finding, std::string_view log_line,
                                   std::int64_t lead_us);

// The console's bytes so far, as they were recorded (bounded by the recorder); empty: none.
std::string console_log(const Scene& scene);

// One more file beside them. That it cannot be written is an event, not an error.
void write_trace_artifact(const Scene& scene, const char* name, const std::string& bytes);

}  // namespace ktrial::trial
