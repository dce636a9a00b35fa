#include "harness/trial/black_box.h"

#include <fmt/format.h>

#include <chrono>

#include "harness/base/file.h"
#include "harness/trace/writers.h"

namespace ktrial::trial {

namespace {

// Who ran when, who was made, who ended. Wakeups and migrations would double the cost.
constexpr char kEvents[] =
    "sched:sched_switch,sched:sched_process_fork,sched:sched_process_exec,"
    "sched:sched_process_exit,sched:sched_wakeup_new";
// Of each CPU: some thousand switches, several seconds of a busy guest.
constexpr char kSize[] = "512k";

void write(const Scene& scene, const char* name, const std::string& bytes) {
  if (auto written = write_file_atomically(scene.artifacts / name, bytes); !written)
    scene.observer.on_event("artifact-lost", written.error().message);
}

// The autopsy's moment: the kernel's clock went on until now, nearly.
std::vector<trace::Mark> marks_of(const trace::Trace& trace) {
  std::uint64_t end = 0;
  std::vector<trace::Mark> out;
  for (const trace::CpuRing& ring : trace.rings.cpus) {
    if (ring.events.empty()) continue;
    const trace::Event& last = ring.events.back();
    out.push_back({last.ns, "last event", static_cast<int>(ring.cpu)});
    end = std::max(end, last.ns);
  }
  if (end > 0) out.push_back({end, "end of the trace"});
  return out;
}

}  // namespace

std::string black_box_arguments(const Plan& plan) {
  if (plan.spec.trace == "off" || (plan.workload && plan.workload->patches_code)) return "";
  return fmt::format("trace_event={} trace_buf_size={} ", kEvents, kSize);
}

std::vector<std::string> recover_trace(const Scene& scene, const introspect::KernelView& kernel,
                                       const verdict::Evidence&) {
  const auto begun = std::chrono::steady_clock::now();
  auto trace = trace::read_trace(kernel);
  if (!trace) return {"none: " + trace.error().message};
  if (trace->count() == 0) return {"empty: no event was recorded"};
  auto lines = trace::summary(*trace);
  write(scene, "trace.dat", trace::to_trace_dat(*trace));
  write(scene, "trace.txt", trace::to_text(*trace));
  write(scene, "trace.json", trace::to_perfetto_json(*trace, marks_of(*trace)));
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
  scene.observer.on_event(
      "trace", fmt::format("{} events recovered in {:.2f} s", trace->count(), took.count()));
  lines.push_back(
      "All events: trace.txt; for KernelShark: trace.dat; for ui.perfetto.dev: trace.json");
  return lines;
}

}  // namespace ktrial::trial
