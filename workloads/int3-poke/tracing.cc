#include "workloads/int3-poke/tracing.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "workloads/common/arguments.h"
#include "workloads/common/system.h"

namespace ktrial::workload {
namespace {

constexpr char kRoot[] = "/sys/kernel/tracing";
constexpr char kGroup[] = "ktrial_poke";
constexpr char kKprobes[] = "/sys/kernel/debug/kprobes/list";
constexpr char kBufferKib[] = "256";  // per CPU: records are made, and never read

std::string content(const std::string& file) {
  std::string text = read_file(file).value_or("(not there)");
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

}  // namespace

Tracing::Tracing() : root_(kRoot), instance_(root_ + "/instances/" + kGroup) {
  for (const char* file : {"kprobe_events", "kprobe_profile", "set_ftrace_filter", "instances"})
    if (access((root_ + "/" + file).c_str(), R_OK) != 0)
      cannot_run("%s/%s: %s; it needs tracefs with FUNCTION_TRACER and KPROBE_EVENTS", kRoot, file,
                 std::strerror(errno));
  if (const std::string tracers = content(root_ + "/available_tracers");
      tracers.find("function") == std::string::npos)
    cannot_run("no function tracer, only: %s", tracers.c_str());
  if (const std::string probes = content(root_ + "/kprobe_events"); !probes.empty())
    cannot_run("there are probes of others: %s", probes.substr(0, 80).c_str());
  if (mkdir(instance_.c_str(), 0755) != 0)
    cannot_run("%s: %s", instance_.c_str(), std::strerror(errno));
  if (const int error = write_file(path("buffer_size_kb"), kBufferKib))
    cannot_run("%s: %s", path("buffer_size_kb").c_str(), std::strerror(error));
}

int Tracing::add(const Probe& probe) const {
  return write_file(root_ + "/kprobe_events",
                    probe.kind + ":" + kGroup + "/" + probe.name + " " + probe.place + "\n");
}

int Tracing::enable(const Probe& probe, bool on) const {
  return write_file(path(std::string("events/") + kGroup + "/" + probe.name + "/enable"),
                    on ? "1" : "0");
}

int Tracing::remove(const Probe& probe) const {
  return write_file(root_ + "/kprobe_events", std::string("-:") + kGroup + "/" + probe.name + "\n");
}

ProbeCount Tracing::count(const Probe& probe) const {
  const std::string text = content(root_ + "/kprobe_profile");
  const auto counts = parse_kprobe_profile(text);
  if (!counts) broken("kprobe_profile makes no sense: %s", text.substr(0, 200).c_str());
  const auto found = counts->find(probe.name);
  if (found == counts->end()) broken("kprobe_profile does not have %s", probe.name.c_str());
  return found->second;
}

std::optional<std::string> Tracing::breakpoint_place(const std::string& symbol) const {
  // Behind "call __fentry__" (5 bytes) or "endbr64; call __fentry__" (9). The
  // kernel refuses a place that is not the beginning of an instruction.
  for (int offset = 5; offset <= 24; ++offset) {
    const Probe probe{"find_place", "p", symbol + "+" + std::to_string(offset)};
    if (add(probe) != 0) continue;
    if (const int error = remove(probe))
      broken("a probe on %s was added but not removed: %s", probe.place.c_str(),
             std::strerror(error));
    return probe.place;
  }
  return std::nullopt;
}

std::size_t Tracing::trace_only(const std::vector<std::string>& symbols) const {
  std::size_t known = 0;
  for (const std::string& symbol : symbols)
    if (write_file(path("set_ftrace_filter"), symbol + "\n") == 0) ++known;
  return known;
}

State Tracing::state() const {
  State state;
  for (const char* file : {"current_tracer", "kprobe_events", "enabled_functions", "events/enable"})
    state[root_ + "/" + file] = content(root_ + "/" + file);
  for (const char* file :
       {kKprobes, "/proc/sys/kernel/sched_schedstats", "/proc/sys/debug/kprobes-optimization"})
    state[file] = content(file);
  return state;
}

State Tracing::instance_state() const {
  State state;
  for (const char* file : {"current_tracer", "events/enable"})
    state[path(file)] = content(path(file));
  return state;
}

int Tracing::remove_instance() const { return rmdir(instance_.c_str()) == 0 ? 0 : errno; }

}  // namespace ktrial::workload
