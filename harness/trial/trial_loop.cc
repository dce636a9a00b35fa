#include "harness/trial/trial_loop.h"

#include <fmt/format.h>
#include <sys/utsname.h>

#include "harness/base/file.h"
#include "harness/trial/black_box.h"
#include "harness/trial/findings.h"
#include "harness/trial/late_evidence.h"
#include "harness/trial/live_trace.h"
#include "harness/trial/vsock_peer.h"
#include "harness/verdict/decide.h"
#include "harness/verdict/incident.h"
#include "results/store/artifacts.h"

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
          .total = plan.total,
          .overcommit = plan.overcommit};
}

vm::VmConfig config_of(const Plan& plan, const channel::Channel& channel) {
  return {.name = "ktrial",
          .kernel = plan.kernel.image,
          .initrd = plan.initramfs,
          .command_line = channel.guest_arguments() + " " + plan.command_line,
          .cpus = static_cast<unsigned>(plan.spec.cpus),
          .memory_mib = static_cast<std::uint64_t>(plan.spec.memory_mib),
          .accel = plan.accel.accel,
          .one_thread = plan.workload && plan.workload->patches_code,
          .machine =
              plan.spec.machine == spec::Machine::microvm ? vm::Machine::microvm : vm::Machine::q35,
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
  bench.channel = KTRIAL_TRY(channel::make_channel(context.io, plan.channel, bench.scratch.path()));
  bench.vm = KTRIAL_TRY(plan.vmm.make(config_of(plan, *bench.channel)));
  return bench;
}

// The boot shows how busy the host is: limits grow by what the plan did not foresee.
void heed_slow_host(const Scene& scene, Clock::time_point begun, verdict::Evidence& evidence) {
  constexpr double kMost = 4;
  const double expected = std::max(1.0, scene.plan.timeouts.scale);
  const double measured = autopsy::contention(scene.monitor.host().since(begun));
  evidence.slowdown = std::clamp(measured / expected, 1.0, kMost);
  if (evidence.slowdown > 1) scene.monitor.slow_down(evidence.slowdown);
}

// Runs the workload in a guest that has said hello, of a machine that was started at `begun`.
Ending run_workload(const TrialContext& context, const Scene& scene, Clock::time_point begun,
                    verdict::Evidence& evidence) {
  const Plan& plan = scene.plan;
  evidence.phase = Phase::workload;
  read_counters(scene, evidence.counters_before);
  wire::Run run = plan.run;
  const auto used = std::chrono::duration_cast<milliseconds>(Clock::now() - begun);
  const std::chrono::nanoseconds time =
      spec::workload_time(plan.total, used, plan.timeouts.shutdown);
  run.deadline_ns = static_cast<std::uint64_t>(time.count());
  scene.monitor.timeline().phase(Clock::now(), "workload " + plan.name());
  scene.channel.send(wire::encode(run));
  std::optional<VsockPeer> peer;
  if (plan.host_port != 0) peer.emplace(context.io, scene.channel, plan.host_port);
  Ending ending = scene.monitor.watch_workload();
  if (peer) context.observer.on_event("vsock-peer", peer->summary());
  return ending;
}

// What the host did over the time that the verdict rests on.
void add_host_facts(const verdict::Evidence& evidence, results::Facts& facts) {
  const autopsy::HostEvidence& host = evidence.host;
  auto add = [&](const char* name, double value) {
    facts.emplace_back(name, fmt::format("{:.2f}", value));
  };
  add("host.slowdown", evidence.slowdown);
  add("host.window_s", host.window_s);
  add("host.pressure_cpu_avg10", host.pressure);
  if (host.stopped_s > 0) add("host.qemu_stopped_s", host.stopped_s);
  if (host.suspended_s > 0) add("host.suspended_s", host.suspended_s);
  if (host.frozen_s > 0) add("host.ktrial_frozen_s", host.frozen_s);
  if (host.clock_step_s > 0) add("host.clock_step_s", host.clock_step_s);
  for (const autopsy::VcpuUse& use : host.vcpus)
    facts.emplace_back(fmt::format("host.vcpu{}", use.cpu),
                       fmt::format("ran {:.1f} s, waited {:.1f} s", use.ran_s, use.waited_s));
}

results::TrialRecord to_record(const Plan& plan, const verdict::Evidence& evidence,
                               const Monitor& monitor, const fs::path& artifacts) {
  results::TrialRecord record;
  record.accel = vm::name(plan.accel.accel);
  record.channel = channel::name(plan.channel);
  record.vmm = name(plan.spec.vmm);
  record.findings = to_records(evidence.findings);
  record.counters = {evidence.counters_after.begin(), evidence.counters_after.end()};
  if (const auto& hello = monitor.hello()) {
    record.facts.emplace_back("kernel_release", hello->kernel_release);
    record.facts.emplace_back("kernel.version", hello->kernel_version);
    record.facts.emplace_back("kernel.command_line", hello->command_line);
    record.facts.emplace_back("kernel.online_cpus", std::to_string(hello->online_cpus));
  }
  add_host_facts(evidence, record.facts);
  if (evidence.autopsy.looks > 0)
    record.facts.emplace_back("autopsy.seconds", fmt::format("{:.2f}", evidence.autopsy.seconds));
  record.verdict = verdict::decide(evidence);
  for (const subtests::Subtest& test : evidence.subtests.tests)
    record.subtests.push_back(
        {test.name, std::string(subtests::name(test.result)), test.reason, test.seconds});
  record.incident = verdict::incident_of(evidence);
  record.trace = tell_trace(artifacts);
  if (evidence.autopsy.looks > 0) {
    autopsy::Autopsy page = evidence.autopsy;
    if (!record.trace.empty()) page.trace.clear();  // told once
    record.incident.autopsy = autopsy::to_text(page);
  }
  return record;
}

}  // namespace

// Steps: 1 set up channel and machine; 2 start; 3 wait for the agent's hello;
// 4 set up the trace that was asked for, run the workload and watch; 5 gather late evidence, end
// the machine; 6 judge.
Result<results::TrialRecord> run_trial(const TrialContext& context, const Plan& plan,
                                       const fs::path& artifacts) {
  const auto started_at = std::chrono::system_clock::now();
  Monitor monitor(context.io, limits_of(plan), context.observer);
  Bench bench = KTRIAL_TRY(set_up(context, plan));
  KTRIAL_TRY(results::write_artifact(artifacts / "qemu.sh",
                                     "#!/bin/sh\n" + bench.vm->shell_command(), true));

  const auto begun = Clock::now();
  KTRIAL_TRY(bench.vm->start(monitor.vm_sink()));
  KTRIAL_TRY(bench.channel->attach(*bench.vm, monitor.channel_handlers()));
  monitor.begin(bench.vm->process());
  context.active = &monitor;
  results::Facts facts;
  const Scene scene{plan, monitor, *bench.vm, *bench.channel, context.observer, artifacts, facts};

  verdict::Evidence evidence{.workload = plan.name(),
                             .workload_protocol = plan.workload.has_value(),
                             .emulated = plan.accel.accel == vm::Accel::tcg};
  auto failed = monitor.wait_hello();
  if (!failed) {
    context.observer.on_step(fmt::format("agent answered after {:.1f} s; running {}",
                                         seconds(monitor.hello_at() - begun), plan.name()));
    monitor.timeline().phase(monitor.hello_at(), "set-up");
    heed_slow_host(scene, begun, evidence);
    if (auto set = set_up_trace(scene); !set) {
      bench.vm->destroy();
      context.active = nullptr;
      return std::unexpected(std::move(set).error());
    }
    evidence.ending = run_workload(context, scene, begun, evidence);
  } else {
    evidence.ending = *failed;
  }
  monitor.timeline().phase(Clock::now(), "late evidence");
  evidence.last_beat_ago_s = monitor.last_beats_ago();
  evidence.host = monitor.host().since(monitor.quiet_since(evidence.ending));
  gather_late_evidence(scene, evidence);
  bench.vm->destroy();
  context.active = nullptr;

  monitor.console().finish();
  evidence.kernel_printed = monitor.console().saw_kernel_line();
  evidence.last_kernel_line = monitor.console().last_kernel_line();
  evidence.findings = monitor.console().findings();
  evidence.subtests = monitor.subtests();
  keep_dump(scene);
  auto record = to_record(plan, evidence, monitor, artifacts);
  record.facts.insert(record.facts.end(), facts.begin(), facts.end());
  record.started_at = started_at;
  record.duration_s = seconds(Clock::now() - begun);
  if (monitor.hello()) record.boot_s = seconds(monitor.hello_at() - begun);
  return record;
}

}  // namespace ktrial::trial
