#include "harness/trial/machine.h"

#include <algorithm>

#include "guest/wire/wire.h"
#include "harness/trial/findings.h"
#include "harness/trial/plan_machine.h"

namespace ktrial::trial {

namespace {
// A CPU of a deterministic guest that did not beat for so much of its time, had no instruction
// been idle, is silent if the host's time says so, too.
constexpr std::uint64_t kSilentNs = 5'000'000'000;
constexpr std::uint64_t kBootInstructions = 6'000'000'000;  // most are the kernel's unpacking
constexpr int kOneThread = 3;                               // times as long, at most
}  // namespace

Limits limits_of(const Plan& plan) {
  // A silence of so many instructions is proof beside it.
  const auto heartbeat = plan.timeouts.heartbeat_silence / (plan.exact ? 2 : 1);
  Limits out{.boot = plan.timeouts.boot,
             .first_output = plan.timeouts.first_output,
             .heartbeat = heartbeat,
             // To look is to pause, which would make it another run.
             .late = plan.exact ? spec::Milliseconds(0) : plan.timeouts.early.late,
             .look_spacing = plan.timeouts.early.spacing,
             .progress = plan.progress,
             .settle = plan.timeouts.report_settle,
             .aftermath = plan.timeouts.aftermath,
             .total = plan.total,
             .overcommit = plan.overcommit,
             .fail_on = kinds_of(plan.spec.fail_on)};
  if (!plan.exact) return out;
  out.fresh_beat = heartbeat;  // its seconds are not the host's
  out.unasked = true;
  // One thread runs all vCPUs, up to the first line, too.
  out.boot *= kOneThread;
  out.first_output *= kOneThread;
  // Its own agent ends the workload, by the guest's clock.
  if (!plan.spec.timeout || plan.ends_when_held) out.total *= kOneThread;
  // Where nothing runs at all, that is told, not a workload that stands.
  if (out.progress.count() != 0) out.progress = std::max(out.progress, out.heartbeat * 3 / 2);
  if (!plan.exact->plugin.empty()) {
    out.instructions = kSilentNs >> plan.exact->shift;
    // Its limit by the guest's clock, in which each vCPU had its share: of a CPU's silence the
    // count is reached first.
    const auto limit = std::max<std::uint64_t>(
        2 * kSilentNs, static_cast<std::uint64_t>(std::chrono::nanoseconds(plan.progress).count()));
    out.progress_instructions =
        (limit >> plan.exact->shift) * static_cast<std::uint64_t>(plan.spec.cpus);
    out.boot_instructions = kBootInstructions;
  }
  if (plan.ends_when_held) {
    // It is run up to that point, however long the host takes; nothing else ends it.
    out.boot = out.first_output = out.heartbeat = out.settle = out.aftermath = out.total;
    out.progress = {};
  }
  return out;
}

Limits limits_of_boot(const Plan& plan, bool again) {
  constexpr int kSooner = 3;
  Limits out = limits_of(plan);
  if (again) out.boot_silence = out.boot / kSooner;
  return out;
}

vm::VmConfig cold_machine(const Plan& plan, const channel::Channel& channel) {
  vm::ChannelDevice device = channel.device();
  if (auto* serial = std::get_if<vm::VirtioSerialPorts>(&device))
    serial->names.insert(serial->names.end(), plan.ports.begin(), plan.ports.end());
  return {.name = "ktrial",
          .kernel = plan.kernel.nearest(),
          .initrd = plan.initramfs,
          .command_line = channel.guest_arguments() + " " + plan.command_line,
          .cpus = static_cast<unsigned>(plan.spec.cpus),
          .memory_mib = static_cast<std::uint64_t>(plan.spec.memory_mib),
          .accel = plan.accel.accel,
          .one_thread = has_one_thread(plan),
          .arch = plan.kernel.arch,
          .machine = plan.kernel.arch->machine(plan.spec.machine),
          .channel = std::move(device),
          .exact = plan.exact,
          .delaying = plan.delaying};
}

vm::VmConfig template_machine(const Plan& plan, const channel::Channel& parking,
                              const vm::SavedState& keep) {
  vm::VmConfig config = cold_machine(plan, parking);
  config.command_line = "ktrial.park=1 " + config.command_line;
  config.socket_for_plug = config.machine->plugs;
  config.keep = keep;
  config.delaying.clear();
  return config;
}

vm::VmConfig warm_machine(const Plan& plan, const channel::Channel& channel,
                          const vm::SavedState& from) {
  vm::VmConfig config = cold_machine(plan, channel);
  config.socket_for_plug = config.machine->plugs;
  config.resume = vm::ResumeFrom{.state = from, .patience = plan.timeouts.clone_answer};
  if (auto* device = std::get_if<vm::VhostUserVsockDevice>(&config.channel)) {
    config.resume->plug = *device;
    config.channel = vm::VirtioSerialPorts{{wire::kControlName, wire::kBeatName}};
  }
  return config;
}

}  // namespace ktrial::trial
