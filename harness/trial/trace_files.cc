#include "harness/trial/trace_files.h"

#include <algorithm>
#include <map>
#include <sstream>

#include "harness/base/file.h"
#include "harness/console/analyzer.h"
#include "harness/trace/marks.h"
#include "harness/trace/printer.h"
#include "harness/trace/slice.h"
#include "harness/trace/svg_writer.h"
#include "harness/trace/writers.h"
#include "harness/trial/findings.h"

namespace ktrial::trial {

namespace {

// Reports of the kernel's log.
std::vector<trace::Mark> reports_of(const std::vector<std::string>& log) {
  console::Analyzer analyzer;
  std::vector<std::string> lines;
  for (const std::string& record : log) {
    std::istringstream stream(record);  // a record may have several lines
    for (std::string line; std::getline(stream, line);) lines.push_back(std::move(line));
  }
  std::int64_t lead = 0;
  for (const std::string& line : lines) {
    analyzer.feed(line + "\n");
    if (lead == 0) lead = trace::clock_lead_us(line);
  }
  analyzer.finish();
  std::vector<trace::Mark> out;
  for (const results::Finding& finding : to_records(analyzer.findings())) {
    if (finding.first_line == 0 || finding.first_line > lines.size()) continue;
    if (auto mark = mark_of(finding, lines[finding.first_line - 1], lead))
      out.push_back(std::move(*mark));
  }
  return out;
}

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

std::optional<trace::Mark> mark_of(const results::Finding& finding, std::string_view log_line,
                                   std::int64_t lead_us) {
  const auto us = trace::stamp_us(log_line);
  if (!us) return std::nullopt;
  return trace::Mark{trace::trace_time_us(*us, lead_us) * 1000, finding.title,
                     finding.cpu.value_or(-1)};
}

std::string console_log(const Scene& scene) {
  constexpr std::size_t kLongest = 256u << 20;  // bytes
  return read_file(scene.artifacts / "console.log", kLongest).value_or("");
}

void write_trace_artifact(const Scene& scene, const char* name, const std::string& bytes) {
  if (auto written = write_file_atomically(scene.artifacts / name, bytes); !written)
    scene.observer.on_event("artifact-lost", written.error().message);
}

void write_trace(const Scene& scene, trace::Trace& trace,
                 const std::vector<std::string>& kernel_log) {
  trace::print_events(trace);
  write_trace_artifact(scene, "trace.dat", trace::to_trace_dat(trace));
  write_trace_artifact(scene, "trace.txt", trace::to_text(trace));
  std::vector<trace::Mark> reports = reports_of(kernel_log);
  const std::vector<trace::Mark> timeline = scene.monitor.timeline_marks();
  reports.insert(reports.end(), timeline.begin(), timeline.end());
  write_trace_artifact(scene, "trace.json",
                       trace::to_perfetto_json(trace, marks_of(trace, reports)));
  write_trace_artifact(scene, kMarksFile, trace::marks_to_json(reports));
  const auto history = trace::history_of(trace);
  write_trace_artifact(scene, "trace.svg",
                       trace::to_svg(history, reports, trace::before_stall(history)));
}

}  // namespace ktrial::trial
