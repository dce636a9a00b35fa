#include "harness/trial/trial_loop.h"

#include <fmt/format.h>

#include "harness/base/file.h"
#include "harness/trial/black_box.h"
#include "harness/trial/findings.h"
#include "harness/trial/judgement.h"
#include "harness/trial/kept_evidence.h"
#include "harness/trial/late_evidence.h"
#include "harness/trial/live_trace.h"
#include "harness/trial/vsock_peer.h"
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
          .aftermath = plan.timeouts.aftermath,
          .total = plan.total,
          .overcommit = plan.overcommit,
          .fail_on = kinds_of(plan.spec.fail_on)};
}

vm::RootDevice root_device(const Plan& plan, const std::optional<root::FileServer>& server) {
  if (server) return vm::VirtiofsDevice{server->socket(), root::kTag};
  if (plan.root && plan.root->disk) return *plan.root->disk;
  return {};
}

vm::VmConfig config_of(const Plan& plan, const channel::Channel& channel,
                       const std::optional<root::FileServer>& server) {
  vm::ChannelDevice device = channel.device();
  if (auto* serial = std::get_if<vm::VirtioSerialPorts>(&device))
    serial->names.insert(serial->names.end(), plan.ports.begin(), plan.ports.end());
  return {.name = "ktrial",
          .kernel = plan.kernel.image,
          .initrd = plan.initramfs,
          .command_line = channel.guest_arguments() + " " + plan.command_line,
          .cpus = static_cast<unsigned>(plan.spec.cpus),
          .memory_mib = static_cast<std::uint64_t>(plan.spec.memory_mib),
          .accel = plan.accel.accel,
          .one_thread = plan.workload && plan.workload->patches_code,
          .arch = plan.kernel.arch,
          .machine = plan.kernel.arch->machine(plan.spec.machine),
          .channel = std::move(device),
          .root = root_device(plan, server)};
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
  std::optional<root::FileServer> files;
  std::unique_ptr<vm::Vm> vm;
};

struct Farewell {
  const std::function<void()>& call;
  ~Farewell() {
    if (call) call();
  }
};

Result<Bench> set_up(const TrialContext& context, const Plan& plan) {
  Bench bench{.scratch = KTRIAL_TRY(Scratch::create(context.janitor))};
  bench.channel = KTRIAL_TRY(plan.make_channel(bench.scratch.path()));
  if (plan.root && plan.root->share)
    bench.files =
        KTRIAL_TRY(root::FileServer::start(context.io, *plan.root->share, bench.scratch.path()));
  bench.vm = KTRIAL_TRY(plan.vmm.make(config_of(plan, *bench.channel, bench.files)));
  return bench;
}

// The boot shows how busy the host is: limits grow by what the plan did not foresee.
void heed_slow_host(const Scene& scene, Clock::time_point begun) {
  constexpr double kMost = 4;
  const double expected = std::max(1.0, scene.plan.timeouts.scale);
  const double measured = autopsy::contention(scene.monitor.host().since(begun));
  scene.evidence.slowdown = std::clamp(measured / expected, 1.0, kMost);
  if (scene.evidence.slowdown > 1) scene.monitor.slow_down(scene.evidence.slowdown);
}

// What is left of the trial for the workload: the host's limit counts from the start of the VM,
// so the guest's does, too, and comes first. Time is kept for the shutdown; of little time
// never more than half.
Clock::duration time_for_workload(const Scene& scene) {
  const Clock::duration left =
      std::max<Clock::duration>(scene.monitor.deadline() - scene.clock.now(), milliseconds(1));
  return left - std::min<Clock::duration>(scene.plan.timeouts.shutdown, left / 2);
}

// Runs the workload in a guest that has said hello.
Ending run_workload(const TrialContext& context, const Scene& scene) {
  const Plan& plan = scene.plan;
  scene.evidence.phase = Phase::workload;
  read_counters(scene, scene.evidence.counters_before);
  wire::Run run = plan.run;
  run.deadline_ns =
      static_cast<std::uint64_t>(std::chrono::nanoseconds(time_for_workload(scene)).count());
  scene.monitor.timeline().phase(scene.clock.now(), "workload " + plan.name());
  scene.channel.send(wire::encode(run));
  std::optional<VsockPeer> peer;
  if (plan.host_port != 0) peer.emplace(context.io, scene.channel, plan.host_port);
  Ending ending = scene.monitor.watch_workload();
  if (peer) scene.observer.on_event("vsock-peer", peer->summary());
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

// What the guest itself told.
void add_guest_facts(Monitor& monitor, results::TrialRecord& record) {
  record.kernel.compiler = compiler_of(monitor.notes().banner());
  const auto& hello = monitor.hello();
  if (!hello) return;
  record.kernel.release = hello->kernel_release;
  record.facts.emplace_back("kernel_release", hello->kernel_release);
  record.facts.emplace_back("kernel.version", hello->kernel_version);
  record.facts.emplace_back("kernel.command_line", hello->command_line);
  record.facts.emplace_back("kernel.online_cpus", std::to_string(hello->online_cpus));
}

// The judgement, and what it rests on.
void conclude(const Scene& scene) {
  const verdict::Evidence& evidence = scene.evidence;
  results::TrialRecord& record = scene.record;
  record.trace = scene.trace.story;
  judge(evidence, record);
  add_guest_facts(scene.monitor, record);
  add_host_facts(evidence, record.facts);
  if (evidence.autopsy.looks > 0)
    record.facts.emplace_back("autopsy.seconds", fmt::format("{:.2f}", evidence.autopsy.seconds));
}

results::TrialRecord blank_record(const Plan& plan) {
  results::TrialRecord record;
  record.accel = vm::name(plan.accel.accel);
  record.channel = channel::name(plan.channel);
  record.vmm = name(plan.spec.vmm);
  record.kernel = plan.kernel_facts;
  record.host = plan.host_facts;
  record.started_at = std::chrono::system_clock::now();
  return record;
}

// From the machine's start to the end of the wait: hello, what --trace asked for, the workload.
Status watch(const TrialContext& context, const Scene& scene, Clock::time_point begun) {
  Monitor& monitor = scene.monitor;
  if (auto failed = monitor.wait_hello()) {
    scene.evidence.ending = *failed;
    return {};
  }
  scene.record.boot_s = seconds(monitor.hello_at() - begun);
  scene.observer.on_step(fmt::format("agent answered after {:.1f} s; running {}",
                                     scene.record.boot_s, scene.plan.name()));
  monitor.timeline().phase(monitor.hello_at(), "set-up");
  heed_slow_host(scene, begun);
  KTRIAL_TRY(set_up_trace(scene));
  scene.evidence.ending = run_workload(context, scene);
  return {};
}

// A signal handler can reach the monitor while this lives.
class Active {
 public:
  Active(Monitor*& place, Monitor& monitor) : place_(place) { place_ = &monitor; }
  Active(const Active&) = delete;
  Active& operator=(const Active&) = delete;
  ~Active() { place_ = nullptr; }

 private:
  Monitor*& place_;
};

}  // namespace

// Steps: 1 set up channel and machine; 2 start; 3 wait for the agent's hello;
// 4 set up the trace that was asked for, run the workload and watch; 5 gather late evidence, end
// the machine; 6 judge.
Result<results::TrialRecord> run_trial(const TrialContext& context, const Plan& plan,
                                       const fs::path& artifacts) {
  results::TrialRecord record = blank_record(plan);
  Monitor monitor(context.clock, limits_of(plan), context.observer);
  Bench bench = KTRIAL_TRY(set_up(context, plan));
  KTRIAL_TRY(results::write_artifact(artifacts / "qemu.sh",
                                     "#!/bin/sh\n" + bench.vm->shell_command(), true));
  verdict::Evidence evidence{.workload = plan.name(),
                             .workload_protocol = plan.workload.has_value(),
                             .emulated = plan.accel.accel == vm::Accel::tcg};
  KeptTrace trace;
  const Scene scene{plan,      context.clock,  context.observer, artifacts, monitor,
                    *bench.vm, *bench.channel, evidence,         record,    trace};

  const auto begun = context.clock.now();
  KTRIAL_TRY(bench.vm->start(monitor.vm_sink()));
  KTRIAL_TRY(bench.channel->attach(*bench.vm, monitor.channel_handlers()));
  const Farewell farewell{plan.on_end};
  if (plan.on_start) KTRIAL_TRY(plan.on_start(*bench.vm, context.io));
  if (bench.files)
    bench.files->on_lost([&](std::string why) { monitor.lose("the file server", std::move(why)); });
  monitor.begin(bench.vm->process());
  {
    const Active active(context.active, monitor);
    if (auto watched = watch(context, scene, begun); !watched) {
      bench.vm->destroy();
      return std::unexpected(std::move(watched).error());
    }
    monitor.timeline().phase(context.clock.now(), "late evidence");
    evidence.last_beat_ago_s = monitor.last_beats_ago();
    evidence.host = monitor.host().since(monitor.quiet_since(evidence.ending));
    gather_late_evidence(scene);
    bench.vm->destroy();
  }
  monitor.end_console();
  hear(monitor.console(), evidence);
  evidence.subtests = monitor.subtests();
  keep_dump(scene);
  KTRIAL_TRY(keep_evidence(artifacts, evidence));
  conclude(scene);
  record.duration_s = seconds(context.clock.now() - begun);
  return record;
}

}  // namespace ktrial::trial
