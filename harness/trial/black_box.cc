#include "harness/trial/black_box.h"

#include <fmt/format.h>

#include <chrono>

#include "harness/autopsy/inspector.h"
#include "harness/trace/writers.h"
#include "harness/trial/trace_files.h"
#include "harness/trial/unheard_beats.h"

namespace ktrial::trial {

namespace {

// Who ran when, who was made, who ended. Wakeups and migrations would double the cost.
constexpr char kEvents[] =
    "sched:sched_switch,sched:sched_process_fork,sched:sched_process_exec,"
    "sched:sched_process_exit,sched:sched_wakeup_new";

// A function filter that nothing matches would stand for all functions, from the first
// instant on. reboot() every kernel has, and calls once at its end.
std::string function_arguments(const arch::Arch& arch, const std::vector<std::string>& globs) {
  if (globs.empty()) return "";
  std::string filter = arch.syscall_prefix + "reboot";
  for (const std::string& glob : globs) filter += "," + glob;
  return fmt::format("ftrace=function ftrace_filter={} ", filter);
}

}  // namespace

bool traces_itself(const Plan& plan) { return plan.workload && plan.workload->patches_code; }

bool has_black_box(const Plan& plan) { return !plan.trace.off && !traces_itself(plan); }

std::string black_box_arguments(const Plan& plan) {
  if (!has_black_box(plan)) return "";
  std::string events = kEvents;
  for (const spec::TraceEvent& event : plan.trace.events)
    if (("," + events + ",").find("," + event.full() + ",") == std::string::npos)
      events += "," + event.full();
  std::string out = fmt::format("trace_event={} trace_buf_size={}k ", events,
                                spec::trace_buffer_kib(plan.spec, plan.trace));
  if (!plan.spec.trace_clock.empty()) out += fmt::format("trace_clock={} ", plan.spec.trace_clock);
  if (plan.spec.trace_stop == spec::kStopAtWarning) out += "traceoff_on_warning ";
  return out + function_arguments(*plan.kernel.arch, plan.trace.functions);
}

std::vector<std::string> recover_trace(const Scene& scene, const introspect::KernelView& kernel,
                                       const std::vector<std::string>& kernel_log) {
  const auto begun = scene.context.clock.now();
  auto trace = trace::read_trace(kernel);
  note_access(scene, {{"trace", trace ? "" : trace.error().message}});
  if (!trace) return {"none: " + trace.error().message};
  if (trace->count() == 0) return {"empty: no event was recorded"};
  const auto history = write_trace(scene, *trace, reports_of_log(scene, kernel_log));
  if (stamps_can_be_placed(scene))
    scene.evidence.unheard_beats_s = unheard_beats(history, scene.monitor.beats_heard());
  auto lines = trace::summary(*trace);
  const std::chrono::duration<double> took = scene.context.clock.now() - begun;
  scene.context.observer.on_event(
      "trace", fmt::format("{} events recovered in {:.2f} s", trace->count(), took.count()));
  lines.push_back(
      "All events: trace.txt; for KernelShark: trace.dat; for ui.perfetto.dev: trace.json; a "
      "picture: trace.svg");
  return lines;
}

void recover_trace_from_ram(const Scene& scene) {
  if (!has_black_box(scene.plan) || scene.trace.events > 0) return;
  scene.monitor.timeline().stop(scene.context.clock.now());
  const auto lost = [&](const std::string& why) {
    scene.context.observer.on_event("trace-lost", why);
    scene.record.facts.emplace_back("trace.lost", why);
  };
  const auto patience = scene.plan.timeouts.monitor_reply;
  if (!scene.monitor.vm_ended())
    if (auto paused = scene.vm.pause(patience); !paused && !scene.monitor.vm_ended())
      return lost(paused.error().message);
  auto ram = scene.vm.ram(patience);
  if (!ram) return lost(ram.error().message);
  auto inspector = autopsy::make_inspector(std::move(*ram), scene.plan.symbols);
  if (!inspector) return lost(inspector.error().message);
  const introspect::KernelView* view = (*inspector)->view();
  if (view == nullptr) {
    const auto notes = (*inspector)->notes();
    return lost(notes.empty() ? "the kernel's structures cannot be read" : notes.front());
  }
  recover_trace(scene, *view, (*inspector)->kernel_log());
}

void keep_dump(const Scene& scene) {
  trace::DumpReader& reader = scene.monitor.notes().dump();
  if (!reader.begun()) return;
  const trace::History dump = reader.finish();
  // ftrace_dump() takes the events out of the rings: RAM may hold less than the console.
  if (dump.moments.size() <= scene.trace.events) return;
  write_trace(scene, dump);
  scene.context.observer.on_event(
      "trace", fmt::format("{} events read from the console", dump.moments.size()));
}

}  // namespace ktrial::trial
