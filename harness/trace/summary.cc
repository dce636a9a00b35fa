// A trace in a few lines for people.
#include <fmt/format.h>

#include <algorithm>

#include "harness/trace/history.h"
#include "harness/trace/printer.h"

namespace ktrial::trace {

namespace {

constexpr std::size_t kMostGaps = 6, kMostTasks = 8;
constexpr std::size_t kWidestEvent = 150;  // of what an event says

std::string shortened(std::string text) {
  if (text.size() > kWidestEvent) text = text.substr(0, kWidestEvent) + "...";
  return text;
}

class Summary {
 public:
  explicit Summary(const Trace& trace)
      : trace_(trace), history_(history_of(trace, false)), births_(births(history_)) {
    for (const CpuRing& ring : trace.rings.cpus)
      for (const Event& event : ring.events) {
        begin_ = begin_ == 0 ? event.ns : std::min(begin_, event.ns);
        end_ = std::max(end_, event.ns);
      }
  }

  std::vector<std::string> lines() {
    extent();
    if (trace_.count() == 0) return std::move(out_);
    last_events();
    never_ran();
    waiting();
    gaps();
    return std::move(out_);
  }

 private:
  void add(std::string line) { out_.push_back(std::move(line)); }

  void extent() {
    std::uint64_t overrun = 0, uncommitted = 0;
    for (const CpuRing& ring : trace_.rings.cpus) {
      overrun += ring.overrun;
      uncommitted += static_cast<std::uint64_t>(
          std::ranges::count_if(ring.events, [](const Event& one) { return one.uncommitted; }));
    }
    add(fmt::format("{} events of {} CPUs, {:.6f} s to {:.6f} s; {} older ones were overwritten{}",
                    trace_.count(), trace_.rings.cpus.size(), seconds(begin_), seconds(end_),
                    overrun,
                    uncommitted > 0 ? fmt::format("; {} not committed", uncommitted) : ""));
    if (!trace_.rings.partial()) add("complete: as many as the kernel counted, on every CPU");
    for (const CpuRing& ring : trace_.rings.cpus) {
      if (ring.complete()) continue;
      add(fmt::format("PARTIAL: CPU {}: {} of {} events{}", ring.cpu, ring.found(), ring.expected(),
                      ring.trouble.empty() ? "" : ": " + ring.trouble));
    }
    for (const std::string& trouble : {trace_.rings.trouble, trace_.formats.trouble})
      if (!trouble.empty()) add("PARTIAL: " + trouble);
  }

  void last_events() {
    add("Last event of every CPU:");
    for (const CpuRing& ring : trace_.rings.cpus) {
      if (ring.events.empty()) {
        add(fmt::format("  CPU {}: none", ring.cpu));
        continue;
      }
      const Event& last = ring.events.back();
      add(fmt::format("  CPU {} {:.6f} s ({:.6f} s before the end) {}: {}{}", ring.cpu,
                      seconds(last.ns), seconds(end_ - last.ns), trace_.task(last.pid), what(last),
                      last.uncommitted ? " (not committed)" : ""));
      unfinished_switch(ring);
    }
  }

  std::string what(const Event& event) {
    const Format* format = trace_.formats.find(event.type);
    const auto next = format != nullptr ? number(event, *format, "next_pid") : std::nullopt;
    if (next && format->name == "sched_switch")
      return "switch to " + trace_.task(static_cast<int>(*next));
    return event_name(trace_, event) + ": " + shortened(event_text(trace_, event));
  }

  // The event is written before the switch, `current` is set within. (Tracing that was
  // switched off tells nothing of it.)
  void unfinished_switch(const CpuRing& ring) {
    const Format* switches = trace_.formats.find("sched_switch");
    const auto running = trace_.running.find(ring.cpu);
    if (!trace_.rings.on || switches == nullptr || running == trace_.running.end()) return;
    for (auto event = ring.events.rbegin(); event != ring.events.rend(); ++event) {
      if (event->type != switches->id) continue;
      const auto next = number(*event, *switches, "next_pid");
      if (next && *next != running->second)
        add(
            fmt::format("    its last switch was to {}, but the kernel still has {} there: begun, "
                        "not ended",
                        trace_.task(static_cast<int>(*next)), trace_.task(running->second)));
      return;
    }
  }

  void never_ran() {
    auto all = births_;
    std::erase_if(all, [](const Birth& one) { return one.ran; });
    if (all.empty()) return;
    std::ranges::reverse(all);
    // Children that somebody waits for first: they explain most.
    std::ranges::stable_sort(all, std::ranges::greater{}, &Birth::parent_waits);
    add("Created, but never ran:");
    for (std::size_t i = 0; i < all.size() && i < kMostTasks; ++i)
      add(fmt::format("  {} at {:.6f} s on CPU {} by {}{}", trace_.task(all[i].child),
                      seconds(all[i].ns), all[i].cpu, trace_.task(all[i].parent),
                      all[i].parent_waits ? ", which waits for it in state D (vfork)" : ""));
    if (all.size() > kMostTasks) add(fmt::format("  ... {} more", all.size() - kMostTasks));
  }

  void waiting() {
    const auto all = held_off(history_);
    if (all.empty()) return;
    add("Went to sleep in state D, and did not come back:");
    for (std::size_t i = 0; i < all.size() && i < kMostTasks; ++i)
      add(fmt::format("  {} at {:.6f} s on CPU {}{}", trace_.task(all[i].pid),
                      seconds(all[i].since_ns), all[i].cpu, child_of(all[i].pid)));
    if (all.size() > kMostTasks) add(fmt::format("  ... {} more", all.size() - kMostTasks));
  }

  // The child that a parent in state D most likely waits for.
  std::string child_of(int parent) const {
    for (auto one = births_.rbegin(); one != births_.rend(); ++one)
      if (one->parent == parent && one->parent_waits)
        return fmt::format("; its last child is {}, made at {:.6f} s, which {}",
                           trace_.task(one->child), seconds(one->ns),
                           one->ran ? "ran" : "never ran");
    return "";
  }

  void gaps() {
    add("Longest times without an event:");
    for (const Gap& gap : longest_gaps(history_, kMostGaps))
      add(fmt::format("  CPU {} {:.6f} s from {:.6f} s{}{}", gap.cpu,
                      seconds(gap.to_ns - gap.from_ns), seconds(gap.from_ns),
                      gap.open ? " to the end" : "", gap.idle ? ", idle" : ""));
  }

  const Trace& trace_;
  const History history_;  // without texts
  const std::vector<Birth> births_;
  std::uint64_t begin_ = 0, end_ = 0;
  std::vector<std::string> out_;
};

}  // namespace

std::vector<std::string> summary(const Trace& trace) { return Summary(trace).lines(); }

}  // namespace ktrial::trace
