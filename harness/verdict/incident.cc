#include "harness/verdict/incident.h"

#include <fmt/format.h>

#include <algorithm>

namespace ktrial::verdict {

namespace {

constexpr double kBeatMissed = 3;  // seconds; beats come every second
constexpr std::size_t kMaxReports = 16, kMaxTasks = 8;

bool stalled(const Evidence& evidence) {
  if (std::holds_alternative<HeartbeatSilence>(evidence.ending) ||
      std::holds_alternative<ProgressSilence>(evidence.ending))
    return true;
  return std::ranges::any_of(evidence.findings, [](const auto& f) { return is_stall(f.kind); });
}

std::string in_task(const std::string& task) { return task.empty() ? "" : ", task " + task; }

void add_culprit(const Evidence& evidence, std::vector<std::string>& chain) {
  const auto& culprit = evidence.autopsy.culprit;
  if (!culprit) return;
  for (const autopsy::VcpuState& vcpu : evidence.autopsy.vcpus)
    if (vcpu.cpu == culprit->cpu)
      chain.push_back(fmt::format("vCPU {}: {} in {}{}", vcpu.cpu, autopsy::name(vcpu.what),
                                  culprit->function, in_task(culprit->task)));
}

// In the order in which the CPUs fell silent: a wedge spreads.
void add_silent_cpus(const Evidence& evidence, std::vector<std::string>& chain) {
  std::vector<std::pair<double, unsigned>> silent;
  for (const auto& [cpu, ago] : evidence.last_beat_ago_s)
    if (ago >= kBeatMissed) silent.emplace_back(ago, cpu);
  std::ranges::sort(silent, std::greater());
  for (const auto& [ago, cpu] : silent)
    chain.push_back(fmt::format("CPU {} beat last {:.1f} s before the end of the wait", cpu, ago));
}

void add_reports(const Evidence& evidence, std::vector<std::string>& chain) {
  for (std::size_t i = 0; i < std::min(evidence.findings.size(), kMaxReports); ++i) {
    const console::Finding& finding = evidence.findings[i];
    chain.push_back(fmt::format("console line {}{}: {}", finding.first_line,
                                i >= evidence.provoked_from ? ", after our NMI" : "",
                                finding.title));
  }
  if (!evidence.findings.empty()) return;
  for (std::size_t i = 0; i < std::min(evidence.findings_from_log.size(), kMaxReports); ++i)
    chain.push_back("in the kernel's log only: " + evidence.findings_from_log[i].title);
}

void add_held_off(const Evidence& evidence, std::vector<std::string>& chain) {
  const auto& blocked = evidence.autopsy.blocked;
  if (blocked.empty()) return;
  std::string line = "held off:";
  for (std::size_t i = 0; i < std::min(blocked.size(), kMaxTasks); ++i)
    line += fmt::format("{} {} ({})", i > 0 ? "," : "", blocked[i].task, blocked[i].state);
  if (blocked.size() > kMaxTasks) line += fmt::format(" and {} more", blocked.size() - kMaxTasks);
  chain.push_back(line);
}

// Of a stall: why nobody looked into the guest's memory; empty: somebody did.
std::string why_no_autopsy(const Evidence& evidence) {
  const autopsy::Autopsy& autopsy = evidence.autopsy;
  if (!autopsy.blind.empty()) return autopsy.blind;
  if (autopsy.looks > 0) return "";
  if (!autopsy.notes.empty()) return autopsy.notes.front();
  if (std::holds_alternative<ConsoleReport>(evidence.ending) && !evidence.findings.empty() &&
      !is_stall(evidence.findings.front().kind))
    return "the first report is no stall";
  return "the machine had ended, or the wait had, before it could be looked at";
}

}  // namespace

results::Incident incident_of(const Evidence& evidence) {
  results::Incident incident;
  if (!stalled(evidence)) return incident;
  add_culprit(evidence, incident.chain);
  add_silent_cpus(evidence, incident.chain);
  add_reports(evidence, incident.chain);
  add_held_off(evidence, incident.chain);
  incident.no_autopsy = why_no_autopsy(evidence);
  const auto& culprit = evidence.autopsy.culprit;
  for (const autopsy::VcpuState& vcpu : evidence.autopsy.vcpus)
    if (vcpu.what == autopsy::VcpuClass::waiting && !(culprit && culprit->cpu == vcpu.cpu))
      incident.victims.push_back(fmt::format(
          "vCPU {} waits in {}{}{}", vcpu.cpu, vcpu.waits_in,
          vcpu.function.empty() ? "" : ", called by " + vcpu.function, in_task(vcpu.task)));
  return incident;
}

}  // namespace ktrial::verdict
