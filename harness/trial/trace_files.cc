#include "harness/trial/trace_files.h"

#include <algorithm>
#include <map>

#include "harness/base/file.h"
#include "harness/console/analyzer.h"
#include "harness/trace/marks.h"
#include "harness/trace/printer.h"
#include "harness/trace/slice.h"
#include "harness/trace/story.h"
#include "harness/trace/svg_writer.h"
#include "harness/trace/writers.h"
#include "harness/trial/findings.h"

namespace ktrial::trial {

namespace {

std::vector<trace::Mark> marks_of(const trace::Trace& trace,
                                  const std::vector<trace::Mark>& reports) {
  std::vector<trace::Mark> out;
  const trace::Format* exec = trace.formats.find("sched_process_exec");
  // Of each program the first: a workload may start one for hundreds of times.
  constexpr std::size_t kMostPrograms = 64;
  std::map<std::string, std::uint64_t> first;
  std::uint64_t end = 0;
  for (const trace::CpuRing& ring : trace.rings.cpus) {
    if (ring.events.empty()) continue;
    const trace::Event& last = ring.events.back();
    end = std::max(end, last.ns);
    out.push_back({last.ns, "last event of this CPU", static_cast<int>(ring.cpu)});
    if (exec == nullptr) continue;
    for (const trace::Event& event : ring.events) {
      if (event.type != exec->id) continue;
      const std::string name = trace::text(event, *exec, "filename");
      const auto known = first.find(name);
      if (known != first.end())
        known->second = std::min(known->second, event.ns);
      else if (first.size() < kMostPrograms)
        first.emplace(name, event.ns);
    }
  }
  for (const auto& [name, ns] : first) out.push_back({ns, "exec " + name});
  if (end > 0) out.push_back({end, "last event"});
  out.insert(out.end(), reports.begin(), reports.end());
  return out;
}

}  // namespace

bool stamps_can_be_placed(const Scene& scene) { return scene.plan.spec.trace_clock.empty(); }

trace::Mark mark_of(const results::Finding& finding, std::uint64_t stamp_us, std::int64_t lead_us) {
  return {trace::trace_time_us(stamp_us, lead_us) * 1000, finding.title, finding.cpu.value_or(-1)};
}

std::vector<trace::Mark> reports_of_log(const Scene& scene, const std::vector<std::string>& log) {
  std::vector<trace::Mark> out;
  if (!stamps_can_be_placed(scene)) return out;
  console::Analyzer analyzer(kinds_of(scene.plan.spec.fail_on));
  ConsoleNotes notes;
  for (const std::string& record : log) {  // a record may have several lines
    analyzer.feed(record + "\n");
    notes.feed(record + "\n");
  }
  analyzer.finish();
  for (const results::Finding& finding : to_records(analyzer.findings()))
    if (const auto stamp = notes.stamp_us(finding.first_line))
      out.push_back(mark_of(finding, *stamp, notes.clock_lead_us()));
  return out;
}

std::vector<trace::Mark> reports_of_console(const Scene& scene) {
  std::vector<trace::Mark> out;
  if (!stamps_can_be_placed(scene)) return out;
  const ConsoleNotes& notes = scene.monitor.notes();
  for (const results::Finding& finding : to_records(scene.monitor.console().findings()))
    if (const auto stamp = notes.stamp_us(finding.first_line))
      out.push_back(mark_of(finding, *stamp, notes.clock_lead_us()));
  return out;
}

void write_trial_file(const Scene& scene, const char* name, const std::string& bytes) {
  if (auto written = write_file_atomically(scene.artifacts / name, bytes); !written)
    scene.context.observer.on_event("artifact-lost", written.error().message);
}

trace::History write_trace(const Scene& scene, trace::Trace& trace,
                           std::vector<trace::Mark> reports) {
  trace::print_events(trace);
  const std::string text = trace::to_text(trace);
  write_trial_file(scene, "trace.dat", trace::to_trace_dat(trace));
  write_trial_file(scene, "trace.txt", text);
  const std::vector<trace::Mark> timeline = scene.monitor.timeline_marks();
  reports.insert(reports.end(), timeline.begin(), timeline.end());
  write_trial_file(scene, "trace.json", trace::to_perfetto_json(trace, marks_of(trace, reports)));
  write_trial_file(scene, kMarksFile, trace::marks_to_json(reports));
  auto history = trace::history_of(trace);
  write_trial_file(scene, "trace.svg",
                   trace::to_svg(history, reports, trace::before_stall(history)));
  const trace::History told = trace::read_text(text);
  scene.trace = {told.moments.size(), trace::tell(told)};
  return history;
}

void write_trace(const Scene& scene, const trace::History& printed) {
  write_trial_file(scene, "trace.txt", trace::to_text(printed));
  write_trial_file(scene, "trace.svg", trace::to_svg(printed, {}, trace::before_stall(printed)));
  scene.trace = {printed.moments.size(), trace::tell(printed)};
}

}  // namespace ktrial::trial
