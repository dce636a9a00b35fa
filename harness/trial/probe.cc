#include "harness/trial/probe.h"

#include <fmt/format.h>

namespace ktrial::trial {

namespace {

std::string describe(const std::vector<vm::VcpuSample>& samples) {
  std::string out;
  for (const auto& vcpu : samples)
    out += fmt::format("{}cpu{} rip={:#x} if={}{}{}", out.empty() ? "" : "; ", vcpu.cpu, vcpu.rip,
                       vcpu.interrupts_enabled ? 1 : 0, vcpu.user_mode ? " user" : "",
                       vcpu.halted ? " halted" : "");
  return out;
}

}  // namespace

std::vector<std::vector<vm::VcpuSample>> probe_stalled_guest(const Plan& plan, Monitor& monitor,
                                                             vm::Vm& vm, Observer& observer) {
  constexpr int kSamples = 3;
  std::vector<std::vector<vm::VcpuSample>> out;
  for (int i = 0; i < kSamples && !monitor.vm_ended(); ++i) {
    auto samples = vm.sample_vcpus(plan.timeouts.monitor_reply);
    if (!samples) {
      observer.on_event("probe-failed", samples.error().message);
      break;
    }
    observer.on_event("vcpus", describe(*samples));
    out.push_back(std::move(*samples));
    // Apart enough that a CPU which moves is seen to move.
    monitor.wait_vm_end(std::chrono::milliseconds(200));
  }
  if (monitor.vm_ended()) return out;
  if (auto sent = vm.inject_nmi(plan.timeouts.monitor_reply); !sent) {
    observer.on_event("probe-failed", sent.error().message);
    return out;
  }
  observer.on_event("nmi", "injected, to make the kernel print every CPU's stack");
  // A panic in NMI context prints nothing until every CPU was asked for its
  // stack, which takes ten seconds when one does not answer; then the guest resets.
  monitor.wait_vm_end(plan.timeouts.nmi_answer);
  return out;
}

}  // namespace ktrial::trial
