// A recovered or collected trace into a trial's folder.
#pragma once

#include <string>
#include <vector>

#include "harness/trace/history.h"
#include "harness/trace/trace.h"
#include "harness/trace/writers.h"
#include "harness/trial/scene.h"
#include "results/record.h"

namespace ktrial::trial {

// Reports and timeline, for who draws the trace again: see trace::marks_from_json().
inline constexpr char kMarksFile[] = "trace.marks.json";

// trace.dat, trace.txt, trace.json, trace.svg and kMarksFile, with `reports` and what the trial's
// timeline holds as marks; scene.trace knows it then. Forks, see trace::print_events(). Returns its
// history.
trace::History write_trace(const Scene& scene, trace::Trace& trace,
                           std::vector<trace::Mark> reports);
// One that the kernel printed: trace.txt and trace.svg.
void write_trace(const Scene& scene, const trace::History& printed);

// Whether the trace goes by its default clock: another may count cycles or events, or start
// elsewhere than the kernel's other times.
bool stamps_can_be_placed(const Scene& scene);

// Reports as marks: of a kernel's log, its lines with their stamps; of the console so far. None
// when stamps cannot be placed.
std::vector<trace::Mark> reports_of_log(const Scene& scene, const std::vector<std::string>& log);
std::vector<trace::Mark> reports_of_console(const Scene& scene);

// The mark of a report whose head has that stamp. `lead_us`: see trace::clock_lead_us().
trace::Mark mark_of(const results::Finding& finding, std::uint64_t stamp_us, std::int64_t lead_us);

// A file in the trial's folder. That it cannot be written is an event, not an error.
void write_trial_file(const Scene& scene, const char* name, const std::string& bytes);

}  // namespace ktrial::trial
