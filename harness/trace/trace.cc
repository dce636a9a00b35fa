#include "harness/trace/trace.h"

#include <fmt/format.h>

#include <algorithm>

#include "harness/introspect/tasks.h"

namespace ktrial::trace {

namespace {

void read_running(const introspect::KernelView& kernel, Trace& trace) {
  for (const CpuRing& ring : trace.rings.cpus)
    if (auto task = introspect::current_task(kernel, ring.cpu)) {
      trace.running.emplace(ring.cpu, task->pid);
      trace.names.insert_or_assign(task->pid, task->comm);
    }
}

void read_names(const introspect::KernelView& kernel, Trace& trace) {
  auto list = introspect::read_tasks(kernel);
  if (!list) return;  // events tell most names
  for (const introspect::Task& task : list->tasks)
    trace.names.insert_or_assign(task.pid, task.comm);
}

// Names come from guests and go to terminals.
void make_printable(std::map<int, std::string>& names) {
  for (auto& [pid, name] : names)
    for (char& c : name)
      if (c < ' ' || c >= 127) c = '?';
}

}  // namespace

std::vector<const Event*> Trace::by_time() const {
  struct Key {
    std::uint64_t ns;
    const Event* event;
  };
  std::vector<Key> keys;
  keys.reserve(count());
  for (const CpuRing& ring : rings.cpus) {
    // A CPU's own order holds, whatever its stamps say.
    std::uint64_t latest = 0;
    for (const Event& event : ring.events) {
      latest = std::max(latest, event.ns);
      keys.push_back({latest, &event});
    }
  }
  std::ranges::stable_sort(keys, {}, &Key::ns);
  std::vector<const Event*> out;
  out.reserve(keys.size());
  for (const Key& key : keys) out.push_back(key.event);
  return out;
}

std::string Trace::task(int pid) const {
  if (pid == 0) return "idle";
  const auto it = names.find(pid);
  return fmt::format("{}/{}", it == names.end() ? "?" : it->second, pid);
}

std::size_t Trace::count() const {
  std::size_t out = 0;
  for (const CpuRing& ring : rings.cpus) out += ring.events.size();
  return out;
}

void learn_names(Trace& trace) {
  struct Source {
    const char *event, *name, *pid;
  };
  static constexpr Source kSources[] = {
      {"sched_switch", "prev_comm", "prev_pid"}, {"sched_switch", "next_comm", "next_pid"},
      {"sched_wakeup", "comm", "pid"},           {"sched_wakeup_new", "comm", "pid"},
      {"sched_waking", "comm", "pid"},           {"sched_process_fork", "child_comm", "child_pid"},
      {"sched_process_exit", "comm", "pid"}};
  for (const Source& source : kSources) {
    const Format* format = trace.formats.find(source.event);
    if (format == nullptr) continue;
    for (const CpuRing& ring : trace.rings.cpus)
      for (const Event& event : ring.events) {
        if (event.type != format->id || event.uncommitted) continue;
        const auto pid = number(event, *format, source.pid);
        if (!pid || *pid == 0) continue;
        trace.names.try_emplace(static_cast<int>(*pid), text(event, *format, source.name));
      }
  }
  make_printable(trace.names);
}

Result<Trace> read_trace(const introspect::KernelView& kernel) {
  Trace out;
  out.rings = KTRIAL_TRY(read_rings(kernel));
  const auto types = types_of(out.rings);
  if (!types.empty()) out.formats = KTRIAL_TRY(read_formats(kernel, types));
  read_names(kernel, out);
  read_running(kernel, out);
  learn_names(out);
  out.symbols = &kernel.symbols;
  return out;
}

}  // namespace ktrial::trace
