// What a trace of the scheduler's events tells about a stall.
#include <algorithm>
#include <unordered_map>

#include "harness/trace/trace.h"

namespace ktrial::trace {

namespace {

constexpr std::int64_t kUninterruptible = 2;  // TASK_UNINTERRUPTIBLE of sched_switch's state

struct Switch {
  int from = 0, to = 0;
  bool to_sleep = false;  // the one that left is in state D
};

std::optional<Switch> as_switch(const Event& event, const Format* format) {
  if (format == nullptr || event.type != format->id) return std::nullopt;
  const auto from = number(event, *format, "prev_pid"), to = number(event, *format, "next_pid");
  const auto state = number(event, *format, "prev_state");
  if (!from || !to || !state) return std::nullopt;
  return Switch{static_cast<int>(*from), static_cast<int>(*to), (*state & kUninterruptible) != 0};
}

}  // namespace

std::vector<Birth> births(const Trace& trace) {
  const Format* fork = trace.formats.find("sched_process_fork");
  const Format* switches = trace.formats.find("sched_switch");
  std::vector<Birth> out;
  // Pids come again: the latest birth counts.
  std::unordered_map<int, std::size_t> of_child;
  std::unordered_map<int, std::vector<std::size_t>> of_parent;
  for (const Event* event : trace.by_time()) {
    if (fork != nullptr && event->type == fork->id) {
      const auto child = number(*event, *fork, "child_pid");
      const auto parent = number(*event, *fork, "parent_pid");
      if (!child || !parent) continue;
      of_child[static_cast<int>(*child)] = out.size();
      of_parent[static_cast<int>(*parent)] = {out.size()};  // only the last can be waited for
      out.push_back({event->ns, event->cpu, static_cast<int>(*parent), static_cast<int>(*child)});
    } else if (const auto change = as_switch(*event, switches)) {
      if (auto it = of_child.find(change->to); it != of_child.end()) out[it->second].ran = true;
      if (auto it = of_parent.find(change->from); it != of_parent.end())
        for (std::size_t one : it->second) out[one].parent_waits = change->to_sleep;
      if (auto it = of_parent.find(change->to); it != of_parent.end())
        for (std::size_t one : it->second) out[one].parent_waits = false;
    }
  }
  return out;
}

std::vector<HeldOff> held_off(const Trace& trace) {
  const Format* switches = trace.formats.find("sched_switch");
  std::unordered_map<int, HeldOff> sleeping;
  for (const Event* event : trace.by_time()) {
    const auto change = as_switch(*event, switches);
    if (!change) continue;
    sleeping.erase(change->to);
    if (change->to_sleep) sleeping[change->from] = {event->ns, event->cpu, change->from};
  }
  std::vector<HeldOff> out;
  for (const auto& [pid, one] : sleeping) out.push_back(one);
  std::ranges::sort(out, std::ranges::greater{}, &HeldOff::since_ns);
  return out;
}

std::vector<Gap> longest_gaps(const Trace& trace, std::size_t most) {
  const Format* switches = trace.formats.find("sched_switch");
  std::uint64_t end = 0;
  for (const CpuRing& ring : trace.rings.cpus)
    for (const Event& event : ring.events) end = std::max(end, event.ns);
  std::vector<Gap> all;
  for (const CpuRing& ring : trace.rings.cpus) {
    for (std::size_t i = 0; i < ring.events.size(); ++i) {
      const Event& event = ring.events[i];
      const bool last = i + 1 == ring.events.size();
      const std::uint64_t to = last ? end : ring.events[i + 1].ns;
      if (to <= event.ns) continue;
      const auto change = as_switch(event, switches);
      const int runs = change ? change->to : event.pid;
      all.push_back({ring.cpu, event.ns, to, runs == 0, last});
    }
  }
  const auto longer = [](const Gap& a, const Gap& b) {
    if (a.idle != b.idle) return b.idle;
    return a.to_ns - a.from_ns > b.to_ns - b.from_ns;
  };
  most = std::min(most, all.size());
  std::partial_sort(all.begin(), all.begin() + static_cast<long>(most), all.end(), longer);
  all.resize(most);
  return all;
}

}  // namespace ktrial::trace
