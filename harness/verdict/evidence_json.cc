#include "harness/verdict/evidence_json.h"

#include <algorithm>
#include <limits>

#include "harness/base/overloaded.h"
#include "results/store/json.h"
#include "results/store/json_fields.h"

namespace ktrial::verdict {
namespace {
using results::bool_of;
using results::each_object;
using results::int_of;
using results::Json;
using results::number_of;
using results::object_in;
using results::text_of;
using results::unsigned_of;

// What a guest cannot have more of; a list in a stranger's file is no longer.
constexpr std::size_t kMostCpus = 4096, kMostFrames = 1024, kMostTasks = 4096;

unsigned cpu_of(const Json& json, const char* key = "cpu") {
  return static_cast<unsigned>(std::max(0, int_of(json, key)));
}

// ---- what ended the wait

constexpr const char* kExits[] = {"", "exited", "signaled", "deadline", "not_started"};

Json ending_json(const Ending& ending) {
  return std::visit(Overloaded{
                        [](const ConsoleReport&) -> Json { return {{"type", "console_report"}}; },
                        [](const AgentResult& it) -> Json {
                          return {{"type", "agent_result"},
                                  {"exit", kExits[static_cast<int>(it.exit.kind)]},
                                  {"value", it.exit.value},
                                  {"detail", it.exit.detail}};
                        },
                        [](const ChannelLost& it) -> Json {
                          return {
                              {"type", "channel_lost"}, {"reason", it.reason}, {"part", it.part}};
                        },
                        [](const ProtocolError& it) -> Json {
                          return {{"type", "protocol_error"}, {"reason", it.what}};
                        },
                        [](const HeartbeatSilence& it) -> Json {
                          return {{"type", "heartbeat_silence"},
                                  {"cpus", it.cpus},
                                  {"of", it.of},
                                  {"seconds", it.seconds},
                                  {"early", it.early}};
                        },
                        [](const ProgressSilence& it) -> Json {
                          return {{"type", "progress_silence"}, {"seconds", it.seconds}};
                        },
                        [](const VmStopped& it) -> Json {
                          return {{"type", "vm_stopped"}, {"reason", it.reason}};
                        },
                        [](const VmEnded& it) -> Json {
                          return {{"type", "vm_ended"},
                                  {"shutdown", it.shutdown},
                                  {"signaled", it.status.signaled},
                                  {"value", it.status.value},
                                  {"known", it.status.known},
                                  {"last_words", it.last_words}};
                        },
                        [](const DeadlinePassed& it) -> Json {
                          return {{"type", "deadline_passed"}, {"seconds", it.seconds}};
                        },
                        [](const Interrupted& it) -> Json {
                          return {{"type", "interrupted"}, {"signal", it.signal}};
                        },
                    },
                    ending);
}

ChannelLost channel_lost(const Json& json) {
  ChannelLost lost{text_of(json, "reason")};
  if (const std::string part = text_of(json, "part"); !part.empty()) lost.part = part;
  return lost;
}

AgentResult agent_result(const Json& json) {
  AgentResult out;
  const std::string exit = text_of(json, "exit");
  for (int kind = 1; kind < static_cast<int>(std::size(kExits)); ++kind)
    if (exit == kExits[kind]) out.exit.kind = static_cast<wire::ExitKind>(kind);
  out.exit.value = int_of(json, "value");
  out.exit.detail = text_of(json, "detail");
  return out;
}

HeartbeatSilence heartbeat_silence(const Json& json) {
  HeartbeatSilence out{.cpus = {},
                       .of = cpu_of(json, "of"),
                       .seconds = number_of(json, "seconds"),
                       .early = bool_of(json, "early")};
  if (auto cpus = json.find("cpus"); cpus != json.end() && cpus->is_array())
    for (const Json& cpu : *cpus)
      if (cpu.is_number_unsigned() && out.cpus.size() < kMostCpus)
        out.cpus.push_back(static_cast<unsigned>(
            std::min<std::uint64_t>(cpu.get<std::uint64_t>(), std::numeric_limits<int>::max())));
  // Silence of no CPU at all is that of every one.
  if (out.cpus.empty()) out.of = 0;
  return out;
}

std::optional<Ending> ending_of(const Json& json) {
  const std::string type = text_of(json, "type");
  const double seconds = number_of(json, "seconds");
  if (type == "console_report") return ConsoleReport{};
  if (type == "agent_result") return agent_result(json);
  if (type == "channel_lost") return channel_lost(json);
  if (type == "protocol_error") return ProtocolError{text_of(json, "reason")};
  if (type == "heartbeat_silence") return heartbeat_silence(json);
  if (type == "progress_silence") return ProgressSilence{seconds};
  if (type == "vm_stopped") return VmStopped{text_of(json, "reason")};
  if (type == "vm_ended")
    return VmEnded{text_of(json, "shutdown"),
                   {.signaled = bool_of(json, "signaled"),
                    .value = int_of(json, "value"),
                    .known = bool_of(json, "known")},
                   text_of(json, "last_words")};
  if (type == "deadline_passed") return DeadlinePassed{seconds};
  if (type == "interrupted") return Interrupted{int_of(json, "signal")};
  return std::nullopt;
}

// ---- the host

Json host_json(const autopsy::HostEvidence& host) {
  Json vcpus = Json::array();
  for (const autopsy::VcpuUse& use : host.vcpus)
    vcpus.push_back({{"cpu", use.cpu}, {"ran_s", use.ran_s}, {"waited_s", use.waited_s}});
  Json out = {{"window_s", host.window_s}, {"stopped_s", host.stopped_s},
              {"frozen_s", host.frozen_s}, {"suspended_s", host.suspended_s},
              {"unborn_s", host.unborn_s}, {"clock_step_s", host.clock_step_s},
              {"pressure", host.pressure}, {"vcpus", vcpus}};
  if (host.far) out["far"] = {{"others", host.others}, {"not_told", host.not_told}};
  return out;
}

autopsy::HostEvidence host_of(const Json& json) {
  autopsy::HostEvidence out{.window_s = number_of(json, "window_s"),
                            .stopped_s = number_of(json, "stopped_s"),
                            .frozen_s = number_of(json, "frozen_s"),
                            .suspended_s = number_of(json, "suspended_s"),
                            .unborn_s = number_of(json, "unborn_s"),
                            .clock_step_s = number_of(json, "clock_step_s"),
                            .pressure = number_of(json, "pressure")};
  if (const Json* far = object_in(json, "far")) {
    out.far = true;
    out.others = number_of(*far, "others");
    out.not_told = text_of(*far, "not_told");
  }
  each_object(json, "vcpus", [&](const Json& one) {
    if (out.vcpus.size() < kMostCpus)
      out.vcpus.push_back({cpu_of(one), number_of(one, "ran_s"), number_of(one, "waited_s")});
  });
  return out;
}

// ---- the autopsy

Json stack_json(const std::vector<autopsy::StackFrame>& stack) {
  Json out = Json::array();
  for (const autopsy::StackFrame& frame : stack)
    out.push_back({{"function", frame.function}, {"text", frame.text}, {"certain", frame.certain}});
  return out;
}

std::vector<autopsy::StackFrame> stack_of(const Json& json) {
  std::vector<autopsy::StackFrame> out;
  each_object(json, "stack", [&](const Json& one) {
    if (out.size() < kMostFrames)
      out.push_back({text_of(one, "function"), text_of(one, "text"), bool_of(one, "certain")});
  });
  return out;
}

Json vcpu_json(const autopsy::VcpuState& vcpu) {
  return {{"cpu", vcpu.cpu},
          {"what", autopsy::name(vcpu.what)},
          {"function", vcpu.function},
          {"waits_in", vcpu.waits_in},
          {"interrupts_off", vcpu.interrupts_off},
          {"inside_schedule", vcpu.inside_schedule},
          {"one_instruction", vcpu.one_instruction},
          {"was_halted", vcpu.was_halted},
          {"task", vcpu.task},
          {"ran_s", vcpu.ran_s},
          {"waited_s", vcpu.waited_s},
          {"stack", stack_json(vcpu.stack)}};
}

autopsy::VcpuState vcpu_of(const Json& json) {
  return {.cpu = cpu_of(json),
          .what = autopsy::class_named(text_of(json, "what")),
          .function = text_of(json, "function"),
          .waits_in = text_of(json, "waits_in"),
          .interrupts_off = bool_of(json, "interrupts_off"),
          .inside_schedule = bool_of(json, "inside_schedule"),
          .one_instruction = bool_of(json, "one_instruction"),
          .was_halted = bool_of(json, "was_halted"),
          .task = text_of(json, "task"),
          .ran_s = number_of(json, "ran_s"),
          .waited_s = number_of(json, "waited_s"),
          .stack = stack_of(json)};
}

Json autopsy_json(const autopsy::Autopsy& autopsy) {
  Json vcpus = Json::array(), blocked = Json::array();
  for (const autopsy::VcpuState& vcpu : autopsy.vcpus) vcpus.push_back(vcpu_json(vcpu));
  for (const autopsy::BlockedTask& task : autopsy.blocked)
    blocked.push_back(
        {{"task", task.task}, {"state", task.state}, {"stack", stack_json(task.stack)}});
  return {{"looks", autopsy.looks},
          {"seconds", autopsy.seconds},
          {"vcpus", vcpus},
          {"blocked", blocked},
          {"trace", results::strings(autopsy.trace)},
          {"notes", results::strings(autopsy.notes)},
          {"blind", autopsy.blind}};
}

autopsy::Autopsy autopsy_of(const Json& json) {
  autopsy::Autopsy out;
  out.looks = int_of(json, "looks");
  out.seconds = number_of(json, "seconds");
  each_object(json, "vcpus", [&](const Json& one) {
    if (out.vcpus.size() < kMostCpus) out.vcpus.push_back(vcpu_of(one));
  });
  each_object(json, "blocked", [&](const Json& one) {
    if (out.blocked.size() < kMostTasks)
      out.blocked.push_back({text_of(one, "task"), text_of(one, "state"), stack_of(one)});
  });
  out.culprit = autopsy::find_culprit(out.vcpus);
  out.trace = results::strings_of(json, "trace");
  out.notes = results::strings_of(json, "notes");
  out.blind = text_of(json, "blind");
  return out;
}

Json counters_json(const std::map<std::string, std::uint64_t>& counters) {
  Json out = Json::array();
  for (const auto& [key, value] : counters) out.push_back({{"name", key}, {"value", value}});
  return out;
}

std::map<std::string, std::uint64_t> counters_of(const Json& json, const char* key) {
  std::map<std::string, std::uint64_t> out;
  each_object(json, key,
              [&](const Json& one) { out[text_of(one, "name")] = unsigned_of(one, "value"); });
  return out;
}

Json seconds_json(const std::map<unsigned, double>& by_cpu) {
  Json out = Json::array();
  for (const auto& [cpu, seconds] : by_cpu) out.push_back({{"cpu", cpu}, {"seconds", seconds}});
  return out;
}

std::map<unsigned, double> seconds_of(const Json& json, const char* key) {
  std::map<unsigned, double> out;
  each_object(json, key, [&](const Json& one) {
    if (out.size() < kMostCpus) out[cpu_of(one)] = number_of(one, "seconds");
  });
  return out;
}

}  // namespace

Json to_json(const Evidence& evidence) {
  // All of it: what is added there must be decided upon here. What has no name is heard again.
  const auto& [ending, phase, workload, workload_protocol, emulated, kernel_printed,
               last_kernel_line, findings, provoked_from, nmi_after_line, subtests, last_word,
               counters_before, counters_after, host, last_beat_ago_s, unheard_beats_s, slowdown,
               autopsy, findings_from_log] = evidence;
  Json out;
  out["ending"] = ending_json(ending);
  out["phase"] = name(phase);
  out["workload"] = workload;
  out["workload_protocol"] = workload_protocol;
  out["emulated"] = emulated;
  if (nmi_after_line) out["nmi_after_line"] = *nmi_after_line;
  out["counters_before"] = counters_json(counters_before);
  out["counters_after"] = counters_json(counters_after);
  out["host"] = host_json(host);
  out["last_beats"] = seconds_json(last_beat_ago_s);
  if (!unheard_beats_s.empty()) out["unheard_beats"] = seconds_json(unheard_beats_s);
  out["slowdown"] = slowdown;
  if (autopsy.looks > 0 || !autopsy.notes.empty() || !autopsy.blind.empty())
    out["autopsy"] = autopsy_json(autopsy);
  return out;
}

std::optional<Evidence> evidence_from_json(const Json& json) {
  if (!json.is_object()) return std::nullopt;
  const Json* ending = object_in(json, "ending");
  auto ended = ending != nullptr ? ending_of(*ending) : std::nullopt;
  if (!ended) return std::nullopt;
  Evidence out{.ending = *std::move(ended)};
  for (const Phase phase : {Phase::boot, Phase::workload, Phase::shutdown})
    if (text_of(json, "phase") == name(phase)) out.phase = phase;
  out.workload = text_of(json, "workload");
  out.workload_protocol = bool_of(json, "workload_protocol");
  out.emulated = bool_of(json, "emulated");
  if (json.contains("nmi_after_line")) out.nmi_after_line = unsigned_of(json, "nmi_after_line");
  out.counters_before = counters_of(json, "counters_before");
  out.counters_after = counters_of(json, "counters_after");
  if (const Json* host = object_in(json, "host")) out.host = host_of(*host);
  out.last_beat_ago_s = seconds_of(json, "last_beats");
  out.unheard_beats_s = seconds_of(json, "unheard_beats");
  out.slowdown = number_of(json, "slowdown");
  if (const Json* autopsy = object_in(json, "autopsy")) out.autopsy = autopsy_of(*autopsy);
  return out;
}

}  // namespace ktrial::verdict
