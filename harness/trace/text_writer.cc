#include <fmt/format.h>

#include <iterator>

#include "harness/trace/printer.h"
#include "harness/trace/writers.h"

namespace ktrial::trace {

std::string to_text(const Trace& trace) {
  std::string out;
  for (const std::string& line : summary(trace)) out += "# " + line + "\n";
  // For programs: read_text() takes it.
  if (trace.rings.on && !trace.running.empty()) {
    out += "# running:";
    for (const auto& [cpu, pid] : trace.running) out += fmt::format(" {}={}", cpu, pid);
    out += "\n";
  }
  for (const Event* event : trace.by_time()) {
    const auto name = trace.names.find(event->pid);
    const std::string task = event->pid == 0             ? "<idle>"
                             : name == trace.names.end() ? "<...>"
                                                         : name->second;
    // Rounded as `trace` rounds it.
    const std::uint64_t us = (event->ns + 500) / 1000;
    fmt::format_to(std::back_inserter(out), "{:>16}-{:<7} [{:03}] {:5}.{:06}: {}: {}{}\n", task,
                   event->pid, event->cpu, us / 1000000, us % 1000000, event_name(trace, *event),
                   event_text(trace, *event),
                   event->uncommitted ? "  <uncommitted>"
                   : event->consumed  ? "  <consumed>"
                                      : "");
  }
  return out;
}

}  // namespace ktrial::trace
