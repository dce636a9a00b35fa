#include "harness/trial/black_box.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <sstream>

#include "harness/base/file.h"
#include "harness/console/analyzer.h"
#include "harness/trace/console_dump.h"
#include "harness/trace/printer.h"
#include "harness/trace/slice.h"
#include "harness/trace/story.h"
#include "harness/trace/svg_writer.h"
#include "harness/trace/writers.h"
#include "harness/trial/findings.h"

namespace ktrial::trial {

namespace {

// Who ran when, who was made, who ended. Wakeups and migrations would double the cost.
constexpr char kEvents[] =
    "sched:sched_switch,sched:sched_process_fork,sched:sched_process_exec,"
    "sched:sched_process_exit,sched:sched_wakeup_new";
// Of each CPU: some thousand switches, several seconds of a busy guest.
constexpr char kSize[] = "512k";
constexpr std::size_t kLongestText = 256u << 20;  // bytes of a trace.txt

void write(const Scene& scene, const char* name, const std::string& bytes) {
  if (auto written = write_file_atomically(scene.artifacts / name, bytes); !written)
    scene.observer.on_event("artifact-lost", written.error().message);
}

// Reports of the kernel's log.
void mark_findings(const std::vector<std::string>& log, std::vector<trace::Mark>& out) {
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
  for (const results::Finding& finding : to_records(analyzer.findings())) {
    if (finding.first_line == 0 || finding.first_line > lines.size()) continue;
    if (const auto us = trace::stamp_us(lines[finding.first_line - 1]))
      out.push_back(
          {trace::trace_time_us(*us, lead) * 1000, finding.title, finding.cpu.value_or(-1)});
  }
}

std::vector<trace::Mark> marks_of(const trace::Trace& trace, const std::vector<std::string>& log) {
  std::vector<trace::Mark> out;
  const trace::Format* exec = trace.formats.find("sched_process_exec");
  std::uint64_t end = 0;
  for (const trace::CpuRing& ring : trace.rings.cpus) {
    if (ring.events.empty()) continue;
    const trace::Event& last = ring.events.back();
    end = std::max(end, last.ns);
    out.push_back({last.ns, "last event of this CPU", static_cast<int>(ring.cpu)});
    for (const trace::Event& event : ring.events)
      if (exec != nullptr && event.type == exec->id)
        out.push_back({event.ns, "exec " + trace::text(event, *exec, "filename")});
  }
  if (end > 0) out.push_back({end, "last event"});
  mark_findings(log, out);
  return out;
}

}  // namespace

std::string black_box_arguments(const Plan& plan) {
  if (plan.spec.trace == "off" || (plan.workload && plan.workload->patches_code)) return "";
  return fmt::format("trace_event={} trace_buf_size={} ", kEvents, kSize);
}

std::vector<std::string> recover_trace(const Scene& scene, const introspect::KernelView& kernel,
                                       const std::vector<std::string>& kernel_log) {
  const auto begun = std::chrono::steady_clock::now();
  auto trace = trace::read_trace(kernel);
  if (!trace) return {"none: " + trace.error().message};
  if (trace->count() == 0) return {"empty: no event was recorded"};
  trace::print_events(*trace);
  auto lines = trace::summary(*trace);
  write(scene, "trace.dat", trace::to_trace_dat(*trace));
  write(scene, "trace.txt", trace::to_text(*trace));
  const auto marks = marks_of(*trace, kernel_log);
  write(scene, "trace.json", trace::to_perfetto_json(*trace, marks));
  std::vector<trace::Mark> reports;
  mark_findings(kernel_log, reports);
  const auto history = trace::history_of(*trace);
  write(scene, "trace.svg", trace::to_svg(history, reports, trace::before_stall(history)));
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
  scene.observer.on_event(
      "trace", fmt::format("{} events recovered in {:.2f} s", trace->count(), took.count()));
  lines.push_back(
      "All events: trace.txt; for KernelShark: trace.dat; for ui.perfetto.dev: trace.json; a "
      "picture: trace.svg");
  return lines;
}

void keep_dump(const Scene& scene) {
  const auto log = read_file(scene.artifacts / "console.log", kLongestText);
  if (!log || !trace::has_dump(*log)) return;
  const trace::History dump = trace::read_dump(*log);
  // ftrace_dump() takes the events out of the rings: RAM may hold less than the console.
  const auto text = read_file(scene.artifacts / "trace.txt", kLongestText);
  const std::size_t known = text ? trace::read_text(*text).moments.size() : 0;
  if (dump.moments.size() <= known) return;
  write(scene, "trace.txt", trace::to_text(dump));
  write(scene, "trace.svg", trace::to_svg(dump, {}, trace::before_stall(dump)));
  scene.observer.on_event("trace",
                          fmt::format("{} events read from the console", dump.moments.size()));
}

results::TraceStory tell_trace(const std::filesystem::path& artifacts) {
  const auto text = read_file(artifacts / "trace.txt", kLongestText);
  return text ? trace::tell(trace::read_text(*text)) : results::TraceStory();
}

}  // namespace ktrial::trial
