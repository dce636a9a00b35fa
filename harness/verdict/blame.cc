#include "harness/verdict/blame.h"

#include <fmt/format.h>

namespace ktrial::verdict {
namespace {

// The first culprit that any report of this trial names.
const console::Finding* names_culprit(const std::vector<console::Finding>& findings) {
  for (const console::Finding& finding : findings)
    if (!finding.culprit.empty()) return &finding;
  return nullptr;
}

const autopsy::VcpuState* state_of(const autopsy::Autopsy& autopsy, int cpu) {
  for (const autopsy::VcpuState& vcpu : autopsy.vcpus)
    if (static_cast<int>(vcpu.cpu) == cpu) return &vcpu;
  return nullptr;
}

// At the very first instruction of what a breakpoint enters (arch/x86/include/asm/idtentry.h, since
// 5.8).
bool enters_a_breakpoint(const autopsy::VcpuState& vcpu) {
  return !vcpu.stack.empty() && vcpu.stack.front().text.starts_with("asm_exc_int3+0x0/");
}

}  // namespace

Blame blame(const Evidence& evidence) {
  const auto& culprit = evidence.autopsy.culprit;
  if (culprit) {
    const auto* state = state_of(evidence.autopsy, static_cast<int>(culprit->cpu));
    const bool caught = state != nullptr && state->what == autopsy::VcpuClass::spinning_irqs_off;
    if (caught || culprit->proven) return {culprit->function, culprit->proven};
  }
  if (const auto* finding = names_culprit(evidence.findings)) {
    // Without memory to read, an NMI's backtrace says where and the registers that it stayed.
    const auto* state = finding->cpu ? state_of(evidence.autopsy, *finding->cpu) : nullptr;
    const bool proven = state != nullptr && state->what == autopsy::VcpuClass::spinning_irqs_off &&
                        state->ran_s >= proof_seconds(evidence);
    return {finding->culprit, proven};
  }
  if (culprit) return {culprit->function, false};
  if (const auto* finding = names_culprit(evidence.findings_from_log))
    return {finding->culprit, false};
  return {};
}

std::string excuse(const Evidence& evidence, int cpu) {
  return blame(evidence).proven
             ? ""
             : autopsy::host_explains(evidence.host, cpu, starving_share(evidence));
}

std::string emulator_explains(const Evidence& evidence) {
  if (!evidence.emulated) return "";
  for (const autopsy::VcpuState& vcpu : evidence.autopsy.vcpus)
    if (vcpu.one_instruction && vcpu.interrupts_off && vcpu.what != autopsy::VcpuClass::starved &&
        enters_a_breakpoint(vcpu))
      return fmt::format(
          "vCPU {} stood at the first instruction of {} at every look: TCG loops there now and "
          "then when the kernel has patched its code, no CPU does; KVM would tell",
          vcpu.cpu, vcpu.stack.front().function);
  return "";
}

double starving_share(const Evidence& evidence) {
  return evidence.phase == Phase::boot ? autopsy::kStarvingShareAtBoot : autopsy::kStarvingShare;
}

double proof_seconds(const Evidence& evidence) {
  return evidence.phase == Phase::boot ? autopsy::kBootProofSeconds : autopsy::kProofSeconds;
}

}  // namespace ktrial::verdict
