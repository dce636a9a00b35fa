#include "harness/trial/older_evidence.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "harness/base/re2.h"
#include "harness/base/text.h"
#include "results/store/json.h"
#include "results/store/json_fields.h"

namespace ktrial::trial {
namespace {
using results::Kind;
using verdict::Ending;

// What events.jsonl tells of the end: the last event of each type.
struct Told {
  std::map<std::string, std::string, std::less<>> last;
  std::optional<double> nmi_at_s;
  bool has(std::string_view type) const { return last.contains(type); }
  std::string text(std::string_view type) const {
    const auto found = last.find(type);
    return found == last.end() ? "" : found->second;
  }
};

Told read_events(std::string_view events) {
  Told told;
  while (const auto line = take_line(events)) {
    const auto json = results::parse_json(*line);
    if (!json || !json->is_object()) continue;  // the last one of a killed trial may be cut
    const std::string type = results::text_of(*json, "type");
    told.last[type] = results::text_of(*json, "text");
    if (type == "nmi") told.nmi_at_s = results::number_of(*json, "t");
  }
  return told;
}

// Seconds in a reason's words, "(\d+) s".
double seconds_in(const std::string& reason, const RE2& where) {
  double seconds = 0;
  return partial_match(reason, where, &seconds) ? seconds : 0;
}

std::string fact(const results::TrialRecord& record, std::string_view name) {
  for (const auto& [key, value] : record.facts)
    if (key == name) return value;
  return "";
}

verdict::HeartbeatSilence silence_of(const results::TrialRecord& record) {
  static const RE2 kWho(R"(^CPU ([0-9,]+) stopped beating)"), kSeconds(R"(beating for (\d+) s)");
  verdict::HeartbeatSilence out{.seconds = seconds_in(record.verdict.reason, kSeconds)};
  std::string_view cpus;
  if (!partial_match(record.verdict.reason, kWho, &cpus)) return out;  // all of them
  for (const std::string_view cpu : split(cpus, ','))
    out.cpus.push_back(to_number<unsigned>(cpu).value_or(0));
  const auto online = to_number<unsigned>(fact(record, "kernel.online_cpus"));
  out.of = std::max(online.value_or(0), static_cast<unsigned>(out.cpus.size()) + 1);
  return out;
}

wire::Exit exit_of(const results::Verdict& verdict, const std::string& told) {
  static const RE2 kSignal(R"(was killed by signal (\d+)$)");
  wire::Exit exit;
  const std::string_view value = std::string_view(told).substr(0, told.find(' '));
  exit.value = to_number<std::int32_t>(value).value_or(0);
  if (value.size() + 1 < told.size()) exit.detail = told.substr(value.size() + 1);
  if (verdict.kind == Kind::workload_not_started) exit.kind = wire::ExitKind::not_started;
  if (verdict.kind == Kind::workload_slow) exit.kind = wire::ExitKind::deadline;
  if (verdict.kind == Kind::workload && partial_match(verdict.title, kSignal))
    exit.kind = wire::ExitKind::signaled;
  return exit;
}

// The status whose words these are.
ExitStatus status_of(const std::string& text) {
  static const RE2 kStatus(R"(^exited with status (\d+)$)");
  ExitStatus out{.known = false};
  if (partial_match(text, kStatus, &out.value)) out.known = true;
  for (int signal = 1; signal < 65; ++signal)
    if (const ExitStatus one{.signaled = true, .value = signal}; one.text() == text) out = one;
  return out;
}

verdict::VmEnded end_of(const Told& told, const results::Verdict& verdict) {
  verdict::VmEnded out{told.text("guest-shutdown"), status_of(told.text("vm-exited")), {}};
  if (verdict.kind == Kind::reset && out.shutdown.empty()) out.shutdown = "guest-reset";
  const std::string died = "QEMU " + out.status.text() + ": ";
  if (verdict.kind == Kind::vm_died && verdict.reason.starts_with(died))
    out.last_words = verdict.reason.substr(died.size());
  return out;
}

// What ended the wait. The stored verdict says it where it rests on it; else the events do.
Ending ending_of(const results::TrialRecord& record, const Told& told,
                 std::vector<std::string>& assumed) {
  static const RE2 kLimit(R"((?:of|within) (\d+) s)"), kStill(R"(no progress for (\d+) s)");
  const results::Verdict& verdict = record.verdict;
  if (verdict.kind == Kind::interrupted) return verdict::Interrupted{};
  const auto says = [&](const char* words) { return verdict.reason.contains(words); };
  if (verdict.kind == Kind::silent_stall || says(" stopped beating for "))
    return silence_of(record);
  if (verdict.kind == Kind::workload_stall || says(" made no progress for "))
    return verdict::ProgressSilence{seconds_in(verdict.reason, kStill)};
  if (verdict.kind == Kind::deadline || verdict.kind == Kind::no_boot)
    return verdict::DeadlinePassed{seconds_in(verdict.reason, kLimit)};
  if (verdict.kind == Kind::vm_stopped) return verdict::VmStopped{verdict.reason};
  if (verdict.kind == Kind::channel_lost) return verdict::ChannelLost{told.text("channel-lost")};
  if (verdict.kind == Kind::protocol) return verdict::ProtocolError{told.text("protocol-error")};
  if (verdict.kind == Kind::reset || verdict.kind == Kind::vm_died ||
      verdict.kind == Kind::guest_shutdown)
    return end_of(told, verdict);
  if (told.has("workload-exit"))
    return verdict::AgentResult{exit_of(verdict, told.text("workload-exit"))};
  if (!record.findings.empty()) return verdict::ConsoleReport{};
  assumed.emplace_back(
      "what ended the wait was not kept; taken for it: that the guest fell silent");
  if (!told.has("hello")) return verdict::DeadlinePassed{record.duration_s};
  return verdict::HeartbeatSilence{};
}

// ---- the host

autopsy::HostEvidence host_of(const results::TrialRecord& record) {
  static const RE2 kUse(R"(^ran ([0-9.]+) s, waited ([0-9.]+) s$)"), kVcpu(R"(^host\.vcpu(\d+)$)");
  autopsy::HostEvidence out;
  const auto number = [&](const char* name) {
    return to_number<double>(fact(record, name)).value_or(0);
  };
  out.window_s = number("host.window_s");
  out.pressure = number("host.pressure_cpu_avg10");
  out.stopped_s = number("host.qemu_stopped_s");
  out.suspended_s = number("host.suspended_s");
  out.frozen_s = number("host.ktrial_frozen_s");
  out.clock_step_s = number("host.clock_step_s");
  for (const auto& [key, value] : record.facts) {
    autopsy::VcpuUse use;
    if (full_match(key, kVcpu, &use.cpu) && full_match(value, kUse, &use.ran_s, &use.waited_s))
      out.vcpus.push_back(use);
  }
  return out;
}

// ---- the autopsy, read back from its page (harness/autopsy/text.cc)

autopsy::VcpuState vcpu_of(std::string_view line) {
  static const RE2 kLine(
      R"(^vCPU (\d+): (.+?)(?:, in ([^,]+?))?(?:, called by ([^,]+?))?(?:, task (.+?))?)"
      R"( \(host: ran ([0-9.]+) s, waited ([0-9.]+) s\)$)");
  autopsy::VcpuState out;
  std::string what, in;
  if (!full_match(line, kLine, &out.cpu, &what, &in, &out.function, &out.task, &out.ran_s,
                  &out.waited_s))
    return out;
  // "in the kernel, moving" holds the separator.
  if (what == "in the kernel" || line.contains(": in the kernel, moving"))
    what = autopsy::name(autopsy::VcpuClass::kernel);
  out.what = autopsy::class_named(what);
  (out.what == autopsy::VcpuClass::waiting ? out.waits_in : out.function) = in;
  out.interrupts_off = out.what == autopsy::VcpuClass::spinning_irqs_off;
  return out;
}

autopsy::Autopsy autopsy_of(const std::string& page) {
  static const RE2 kHead(R"(^Autopsy: (\d+) looks? at \d+ vCPUs? in ([0-9.]+) s$)");
  static const RE2 kCulprit(
      R"(^Culprit: vCPU (\d+) in (.+?)(?:, task (.+?))?( \(by the looks of it\))?$)");
  static const RE2 kHeld(R"(^  (\S.*) \((.+)\)$)");
  autopsy::Autopsy out;
  bool held = false;
  std::string_view rest = page;
  while (const auto line = take_line(rest)) {
    autopsy::Culprit culprit;
    std::string doubt, task, state;
    if (full_match(*line, kHead, &out.looks, &out.seconds)) continue;
    if (full_match(*line, kCulprit, &culprit.cpu, &culprit.function, &culprit.task, &doubt)) {
      culprit.proven = doubt.empty();
      out.culprit = culprit;
    } else if (line->starts_with("vCPU ")) {
      out.vcpus.push_back(vcpu_of(*line));
    } else if (!line->starts_with(' ')) {
      held = *line == "Held-off tasks:";
    } else if (held && full_match(*line, kHeld, &task, &state)) {
      out.blocked.push_back({task, state, {}});
    }
  }
  return out;
}

// By a lost report's own words, " warn_count+1 tainted=0x200": what was counted before.
std::map<std::string, std::uint64_t> counters_before(
    const results::TrialRecord& record, const std::map<std::string, std::uint64_t>& after) {
  std::map<std::string, std::uint64_t> out;
  if (record.verdict.kind != Kind::lost_report) return out;
  static const RE2 kGrown(R"(^([a-z_]+)\+(\d+)$)");
  for (const std::string_view word : split(record.verdict.reason, ' ')) {
    std::string name;
    std::uint64_t by = 0;
    if (word.starts_with("tainted=")) {
      out["tainted"] = 0;
    } else if (full_match(word, kGrown, &name, &by)) {
      const auto found = after.find(name);
      if (found != after.end() && found->second >= by) out[name] = found->second - by;
    }
  }
  return out;
}

std::map<unsigned, double> beats_of(const results::Incident& incident) {
  static const RE2 kBeat(R"(^CPU (\d+) beat last ([0-9.]+) s before the end of the wait$)");
  std::map<unsigned, double> out;
  for (const std::string& line : incident.chain) {
    unsigned cpu = 0;
    double ago = 0;
    if (full_match(line, kBeat, &cpu, &ago)) out[cpu] = ago;
  }
  return out;
}

}  // namespace

OlderEvidence older_evidence(const results::TrialRecord& record, const results::SpecSummary& spec,
                             std::string_view events) {
  const Told told = read_events(events);
  OlderEvidence out;
  verdict::Evidence& evidence = out.kept.evidence;
  auto& assumed = out.kept.assumed;
  assumed.emplace_back(
      "the trial has no evidence.json (it is older than that file): what ended the wait, the host "
      "and the autopsy are read back from its record and its events");
  evidence.ending = ending_of(record, told, assumed);
  const bool booted = told.has("hello") || record.boot_s > 0;
  evidence.phase = booted && !record.verdict.reason.contains("during boot")
                       ? verdict::Phase::workload
                       : verdict::Phase::boot;
  evidence.workload_protocol = spec.command.empty();
  evidence.workload = spec.command.empty()
                          ? spec.workload
                          : std::filesystem::path(spec.command.front()).filename().string();
  evidence.emulated = record.accel == "tcg";
  for (const auto& [key, value] : record.counters) evidence.counters_after[key] = value;
  evidence.counters_before = counters_before(record, evidence.counters_after);
  if (!evidence.counters_after.empty() && evidence.counters_before.empty())
    assumed.emplace_back(
        "the kernel's counters before the workload were not kept: a report that never reached the "
        "console cannot be missed");
  evidence.host = host_of(record);
  evidence.slowdown = to_number<double>(fact(record, "host.slowdown")).value_or(1);
  evidence.last_beat_ago_s = beats_of(record.incident);
  evidence.autopsy = autopsy_of(record.incident.autopsy);
  evidence.autopsy.blind = record.incident.no_autopsy;
  if (evidence.autopsy.looks == 0 && !record.incident.no_autopsy.empty())
    evidence.autopsy.notes = {record.incident.no_autopsy};
  out.nmi_at_s = told.nmi_at_s;
  return out;
}

}  // namespace ktrial::trial
