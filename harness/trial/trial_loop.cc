#include "harness/trial/trial_loop.h"

#include <fmt/format.h>
#include <sys/utsname.h>

#include "harness/base/file.h"
#include "harness/trial/findings.h"
#include "harness/trial/probe.h"
#include "harness/trial/vsock_peer.h"
#include "harness/verdict/decide.h"

namespace ktrial::trial {
namespace fs = std::filesystem;
using std::chrono::milliseconds;
using verdict::Ending;
using verdict::Phase;

namespace {

double seconds(Clock::duration d) { return std::chrono::duration<double>(d).count(); }

Limits limits_of(const Plan& plan) {
  return {.boot = plan.timeouts.boot,
          .first_output = plan.timeouts.first_output,
          .heartbeat = plan.timeouts.heartbeat_silence,
          .progress = plan.progress,
          .settle = plan.timeouts.report_settle,
          .total = plan.total};
}

vm::VmConfig config_of(const Plan& plan, const channel::Channel& channel) {
  return {.name = "ktrial",
          .kernel = plan.kernel.image,
          .initrd = plan.initramfs,
          .command_line = channel.guest_arguments() + " " + plan.command_line,
          .cpus = static_cast<unsigned>(plan.spec.cpus),
          .memory_mib = static_cast<std::uint64_t>(plan.spec.memory_mib),
          .accel = plan.accel.accel,
          .machine = plan.spec.machine == spec::Machine::microvm ? vm::Machine::microvm
                                                                 : vm::Machine::q35,
          .channel = channel.device()};
}

// A private folder for sockets, gone with us even after SIGKILL.
class Scratch {
 public:
  static Result<Scratch> create(Janitor& janitor) {
    TempDir dir = KTRIAL_TRY(TempDir::create());
    janitor.watch(dir.path());
    return Scratch(janitor, std::move(dir));
  }
  Scratch(Scratch&&) = default;
  ~Scratch() {
    if (!dir_.path().empty()) janitor_.forget(dir_.path());
  }
  const fs::path& path() const { return dir_.path(); }

 private:
  Scratch(Janitor& janitor, TempDir dir) : janitor_(janitor), dir_(std::move(dir)) {}
  Janitor& janitor_;
  TempDir dir_;
};

// One trial's machinery, in the order in which it must be torn down (last first).
struct Bench {
  Scratch scratch;
  std::unique_ptr<channel::Channel> channel;
  std::unique_ptr<vm::Vm> vm;
};

Result<Bench> set_up(const TrialContext& context, const Plan& plan) {
  Bench bench{.scratch = KTRIAL_TRY(Scratch::create(context.janitor))};
  bench.channel =
      KTRIAL_TRY(channel::make_channel(context.io, plan.channel, bench.scratch.path()));
  bench.vm =
      KTRIAL_TRY(vm::make_qemu_vm(context.io, plan.qemu, config_of(plan, *bench.channel)));
  return bench;
}

// Asks the guest for its counters; what they are goes into `into`.
void read_counters(const Plan& plan, Monitor& monitor, channel::Channel& channel,
                   std::map<std::string, std::uint64_t>& into) {
  channel.send(wire::encode(wire::ReadCounters{}));
  if (monitor.wait_counters(plan.timeouts.monitor_reply)) into = monitor.counters();
}

// Runs the workload in a guest that has said hello.
Ending run_workload(const TrialContext& context, const Plan& plan, Monitor& monitor, Bench& bench,
                    verdict::Evidence& evidence) {
  evidence.phase = Phase::workload;
  read_counters(plan, monitor, *bench.channel, evidence.counters_before);
  wire::Run run = plan.run;
  // Time is kept for the shutdown; of a short limit never more than half.
  const auto kept = std::min(plan.timeouts.shutdown, plan.total / 2);
  run.deadline_ns =
      static_cast<std::uint64_t>(std::chrono::nanoseconds(plan.total - kept).count());
  bench.channel->send(wire::encode(run));
  std::optional<VsockPeer> peer;
  if (plan.host_port != 0) peer.emplace(context.io, *bench.channel, plan.host_port);
  Ending ending = monitor.watch_workload();
  if (peer) context.observer.on_event("vsock-peer", peer->summary());
  return ending;
}

// After the wait ended: let late evidence arrive, then end the machine.
void wind_down(const Plan& plan, Monitor& monitor, Bench& bench, verdict::Evidence& evidence,
               Observer& observer) {
  if (std::holds_alternative<verdict::AgentResult>(evidence.ending)) {
    read_counters(plan, monitor, *bench.channel, evidence.counters_after);
    bench.channel->send(wire::encode(wire::PowerOff{}));
    evidence.phase = Phase::shutdown;
    if (!monitor.wait_vm_end(plan.timeouts.shutdown))
      observer.on_event("shutdown", "the guest did not power off in time");
    evidence.phase = Phase::workload;
  } else if (std::holds_alternative<verdict::HeartbeatSilence>(evidence.ending) ||
             std::holds_alternative<verdict::ProgressSilence>(evidence.ending)) {
    evidence.provoked_from = monitor.console().findings().size();
    evidence.samples = probe_stalled_guest(plan, monitor, *bench.vm, observer);
  } else if (std::holds_alternative<verdict::ConsoleReport>(evidence.ending)) {
    monitor.settle(plan.timeouts.late_report, plan.timeouts.report_settle);
  } else if (std::holds_alternative<verdict::ChannelLost>(evidence.ending) ||
             std::holds_alternative<verdict::ProtocolError>(evidence.ending)) {
    // A dying VM takes its channel along: if it ends now, that was the reason.
    if (monitor.wait_vm_end(plan.timeouts.report_settle)) evidence.ending = *monitor.vm_end();
  } else if (auto* stopped = std::get_if<verdict::VmStopped>(&evidence.ending)) {
    if (auto status = bench.vm->status(plan.timeouts.monitor_reply))
      stopped->reason += " (status: " + *status + ")";
  }
}

results::TrialRecord to_record(const Plan& plan, const verdict::Evidence& evidence,
                               const Monitor& monitor) {
  results::TrialRecord record;
  record.accel = vm::name(plan.accel.accel);
  record.channel = channel::name(plan.channel);
  record.vmm = "qemu";
  record.findings = to_records(evidence.findings);
  record.counters = {evidence.counters_after.begin(), evidence.counters_after.end()};
  if (const auto& hello = monitor.hello()) {
    record.facts.emplace_back("kernel_release", hello->kernel_release);
    record.facts.emplace_back("kernel.version", hello->kernel_version);
    record.facts.emplace_back("kernel.command_line", hello->command_line);
    record.facts.emplace_back("kernel.online_cpus", std::to_string(hello->online_cpus));
  }
  record.facts.emplace_back("host.pressure_cpu_avg10", fmt::format("{:.2f}", evidence.host.pressure));
  const verdict::Verdict verdict = verdict::decide(evidence);
  record.outcome = verdict.outcome;
  record.title = verdict.title;
  record.kind = verdict.kind;
  record.culprit = verdict.culprit;
  record.signature = verdict.signature;
  record.reason = verdict.reason;
  return record;
}

}  // namespace

// Steps: 1 set up channel and machine; 2 start; 3 wait for the agent's hello;
// 4 run the workload and watch; 5 gather late evidence, end the machine;
// 6 judge.
Result<results::TrialRecord> run_trial(const TrialContext& context, const Plan& plan,
                                       const fs::path& artifacts) {
  const auto started_at = std::chrono::system_clock::now();
  Monitor monitor(context.io, limits_of(plan), context.observer);
  Bench bench = KTRIAL_TRY(set_up(context, plan));
  KTRIAL_TRY(write_file_atomically(artifacts / "qemu.sh", "#!/bin/sh\n" + bench.vm->shell_command()));

  const auto begun = Clock::now();
  KTRIAL_TRY(bench.vm->start(monitor.vm_sink()));
  KTRIAL_TRY(bench.channel->attach(*bench.vm, monitor.channel_handlers()));
  monitor.begin(bench.vm->process());
  context.active = &monitor;

  verdict::Evidence evidence{.workload = plan.name(), .workload_protocol = plan.workload.has_value()};
  auto failed = monitor.wait_hello();
  if (!failed) {
    context.observer.on_step(
        fmt::format("agent answered after {:.1f} s; running {}",
                    seconds(monitor.hello_at() - begun), plan.name()));
    evidence.ending = run_workload(context, plan, monitor, bench, evidence);
  } else {
    evidence.ending = *failed;
  }
  evidence.host = monitor.host().since(monitor.quiet_since(evidence.ending));
  wind_down(plan, monitor, bench, evidence, context.observer);
  bench.vm->destroy();
  context.active = nullptr;

  monitor.console().finish();
  evidence.kernel_printed = monitor.console().saw_kernel_line();
  evidence.last_kernel_line = monitor.console().last_kernel_line();
  evidence.findings = monitor.console().findings();
  auto record = to_record(plan, evidence, monitor);
  record.started_at = started_at;
  record.duration_s = seconds(Clock::now() - begun);
  if (monitor.hello()) record.boot_s = seconds(monitor.hello_at() - begun);
  return record;
}

}  // namespace ktrial::trial
