#include "harness/trial/trial_loop.h"

#include <fmt/format.h>

#include <algorithm>

#include "harness/base/file.h"
#include "harness/trial/black_box.h"
#include "harness/trial/exact.h"
#include "harness/trial/findings.h"
#include "harness/trial/judgement.h"
#include "harness/trial/kept_evidence.h"
#include "harness/trial/kept_machine.h"
#include "harness/trial/late_evidence.h"
#include "harness/trial/live_trace.h"
#include "harness/trial/machine.h"
#include "harness/trial/perturbation.h"
#include "harness/trial/vsock_peer.h"
#include "harness/trial/warm_start.h"
#include "harness/trial/watchman.h"
#include "results/store/artifacts.h"

namespace ktrial::trial {
namespace fs = std::filesystem;
using std::chrono::milliseconds;
using verdict::Ending;
using verdict::Phase;

namespace {

constexpr spec::Start kCold = spec::Start::cold, kWarm = spec::Start::warm;

vm::RootDevice root_device(const Plan& plan, const std::optional<root::FileServer>& server) {
  if (server) return vm::VirtiofsDevice{server->socket(), root::kTag};
  if (plan.root && plan.root->disk) return *plan.root->disk;
  return {};
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
  std::unique_ptr<channel::Channel> channel = {};
  std::optional<root::FileServer> files = {};
  Fd parking = {};  // where a copy waits that is to speak elsewhere
  vm::VmConfig config = {};
  std::unique_ptr<vm::Vm> vm = {};
};

struct Farewell {
  const std::function<void()>& call;
  ~Farewell() {
    if (call) call();
  }
};

Result<Bench> set_up(const TrialContext& context, const Plan& plan, const fs::path& artifacts,
                     const vm::TemplateStore::Lease* from) {
  Bench bench{.scratch = KTRIAL_TRY(Scratch::create(context.janitor))};
  bench.channel = KTRIAL_TRY(plan.make_channel(bench.scratch.path()));
  if (plan.root && plan.root->share)
    bench.files =
        KTRIAL_TRY(root::FileServer::start(context.io, *plan.root->share, bench.scratch.path()));
  bench.config = from != nullptr ? warm_machine(plan, *bench.channel, from->state())
                                 : cold_machine(plan, *bench.channel);
  const vm::RootDevice device = root_device(plan, bench.files);
  const auto* served = std::get_if<vm::VirtiofsDevice>(&device);
  if (from != nullptr && served != nullptr)
    bench.config.resume->plug = *served;  // cannot be saved
  else
    bench.config.root = device;
  bench.config.keep = place_for_machine(plan, artifacts);
  bench.vm = KTRIAL_TRY(plan.vmm.make(bench.config));
  return bench;
}

// Tells a copy who it is, and where to speak.
Status wake(Bench& bench, const Plan& plan, results::TrialRecord& record) {
  const Awakening call = awakening(plan.spec.guest_seed, bench.channel->kind());
  record.facts.emplace_back("guest.seed", call.seed);
  if (call.message.control_port == 0) {
    bench.channel->send(wire::encode(call.message));
    return {};
  }
  bench.parking = KTRIAL_TRY(bench.vm->take_port(wire::kControlName));
  return write_all(bench.parking.get(), wire::encode(call.message));
}

// What the template's kernel printed when it booted: a copy's log is as whole as any.
void hear_template(const vm::TemplateStore::Lease& from, Monitor& monitor) {
  if (auto console = read_file(from.console()); console && !console->empty())
    monitor.vm_sink()(vm::ConsoleBytes{*std::move(console)});
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
  const Clock::duration left = std::max<Clock::duration>(
      scene.monitor.deadline() - scene.context.clock.now(), milliseconds(1));
  return left - std::min<Clock::duration>(scene.plan.timeouts.shutdown, left / 2);
}

// Runs the workload in a guest that has said hello.
Ending run_workload(const Scene& scene) {
  const Plan& plan = scene.plan;
  scene.evidence.phase = Phase::workload;
  read_counters(scene, scene.evidence.counters_before);
  wire::Run run = plan.run;
  run.deadline_ns =
      static_cast<std::uint64_t>(std::chrono::nanoseconds(time_for_workload(scene)).count());
  scene.monitor.timeline().phase(scene.context.clock.now(), "workload " + plan.name());
  scene.channel.send(wire::encode(run));
  std::optional<VsockPeer> peer;
  if (plan.host_port != 0) peer.emplace(scene.context.io, scene.channel, plan.host_port);
  const Watchman watchman(scene.vm, scene.monitor, scene.context, plan);
  Ending ending = scene.monitor.watch_workload();
  scene.looks = watchman.evidence();
  if (peer) scene.context.observer.on_event("vsock-peer", peer->summary());
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
  if (!host.far) add("host.pressure_cpu_avg10", host.pressure);
  if (host.others >= 0) add("host.others_share", host.others);
  if (!host.not_told.empty()) facts.emplace_back("host.not_told", host.not_told);
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

std::optional<Ending> wait_boot(const Scene& scene) {
  const Watchman watchman(scene.vm, scene.monitor, scene.context, scene.plan);
  auto failed = scene.monitor.wait_hello();
  scene.looks = watchman.evidence();
  return failed;
}

// From the machine's start to the end of the wait: hello, what --trace asked for, the workload.
Status watch(const Scene& scene, Clock::time_point begun) {
  Monitor& monitor = scene.monitor;
  if (auto failed = wait_boot(scene)) {
    scene.evidence.ending = *failed;
    return {};
  }
  scene.record.boot_s = in_seconds(monitor.hello_at() - begun);
  scene.context.observer.on_step(fmt::format("agent answered after {:.1f} s; running {}",
                                             scene.record.boot_s, scene.plan.name()));
  monitor.timeline().phase(monitor.hello_at(), "set-up");
  // A copy's first moment is too short to show it.
  if (scene.record.start == name(kCold)) heed_slow_host(scene, begun);
  KTRIAL_TRY(set_up_trace(scene));
  const Perturbation perturbation = KTRIAL_TRY(Perturbation::begin(scene));
  scene.evidence.ending = run_workload(scene);
  return {};
}

// Where this trial's files go; the run's and the trial's names tell it from others.
fs::path place_for_output(const Plan& plan, const fs::path& artifacts) {
  if (!plan.one_of_many && artifacts.filename() == "000") return plan.spec.output;
  const std::string run = artifacts.parent_path().parent_path().filename();
  return fs::path(plan.spec.output) / (run + "-" + artifacts.filename().string());
}

// What came of it, for the record and for people.
void tell_output(const Scene& scene, const fs::path& folder) {
  const OutputFolder& output = scene.monitor.output();
  std::string lost = output.trouble();
  const auto add = [&](const std::string& text) { lost += (lost.empty() ? "" : "; ") + text; };
  if (!output.end())
    add("the guest did not send all of it");
  else if (!output.end()->problem.empty())
    add(output.end()->problem);
  auto fact = [&](const char* name, std::string value) {
    scene.record.facts.emplace_back(name, std::move(value));
  };
  fact("output.folder", folder.string());
  fact("output.files", std::to_string(output.files()));
  fact("output.bytes", std::to_string(output.bytes()));
  if (!lost.empty()) fact("output.lost", lost);
  scene.context.observer.on_step(fmt::format("output: {} files, {} bytes in {}{}", output.files(),
                                             output.bytes(), folder.string(),
                                             lost.empty() ? "" : "; " + lost));
}

// A copy that was not heard of says nothing of its kernel.
void judge_sleeper(const Scene& scene) {
  results::Verdict& verdict = scene.record.verdict;
  verdict = {};
  verdict.outcome = results::Outcome::inconclusive;
  verdict.kind = results::Kind::no_boot;
  verdict.reason = "the resumed guest did not answer in time";
}

}  // namespace

bool never_woke(const results::TrialRecord& record) {
  return record.start == name(kWarm) && record.boot_s == 0 &&
         record.verdict.kind == results::Kind::no_boot;
}

// Steps: 1 set up channel and machine; 2 start, or resume; 3 wait for the agent's hello;
// 4 set up the trace that was asked for, run the workload and watch; 5 gather late evidence, end
// the machine; 6 judge.
Result<results::TrialRecord> run_trial(const TrialContext& context, const Plan& plan,
                                       const fs::path& artifacts,
                                       const vm::TemplateStore::Lease* from) {
  results::TrialRecord record = blank_record(plan);
  record.start = name(from != nullptr ? kWarm : kCold);
  Limits limits = limits_of_boot(plan, context.boots_again);
  if (from != nullptr) limits.boot = limits.first_output = plan.timeouts.clone_answer;
  Monitor monitor(context.clock, limits, context.observer);
  Bench bench = KTRIAL_TRY(set_up(context, plan, artifacts, from));
  KTRIAL_TRY(results::write_artifact(artifacts / "qemu.sh",
                                     "#!/bin/sh\n" + bench.vm->shell_command(), true));
  verdict::Evidence evidence{.workload = plan.name(),
                             .workload_protocol = plan.workload.has_value(),
                             .emulated = plan.accel.accel == vm::Accel::tcg};
  KeptTrace trace;
  autopsy::LooksSoFar looks;
  const Scene scene{plan,           context,  artifacts, monitor, *bench.vm,
                    *bench.channel, evidence, record,    trace,   looks};

  if (from != nullptr) hear_template(*from, monitor);
  const fs::path output = place_for_output(plan, artifacts);
  if (!plan.spec.output.empty()) KTRIAL_TRY(monitor.output().open(output));
  const auto begun = context.clock.now();
  KTRIAL_TRY(bench.vm->start(monitor.vm_sink()));
  KTRIAL_TRY(bench.channel->attach(*bench.vm, monitor.channel_handlers()));
  const Farewell farewell{plan.on_end};
  if (plan.on_start) KTRIAL_TRY(plan.on_start(*bench.vm, context.io));
  if (bench.files)
    bench.files->on_lost([&](std::string why) { monitor.lose("the file server", std::move(why)); });
  monitor.begin(bench.vm->process(), bench.vm->far_host());
  if (from != nullptr) KTRIAL_TRY(wake(bench, plan, record));
  {
    const Active active(context.active, monitor);
    std::optional<EndState> end_state;
    if (plan.exact) end_state.emplace(scene);
    if (auto watched = watch(scene, begun); !watched) {
      bench.vm->destroy();
      return std::unexpected(std::move(watched).error());
    }
    monitor.timeline().phase(context.clock.now(), "late evidence");
    evidence.last_beat_ago_s = monitor.last_beats_ago();
    evidence.host = monitor.host().since(monitor.quiet_since(evidence.ending));
    // Before anything is done to a machine that stalls; one that is well is held at its last word.
    if (end_state && !std::holds_alternative<verdict::AgentResult>(evidence.ending))
      end_state->take();
    gather_late_evidence(scene);
    if (end_state) end_state->take();
    keep_machine(scene, bench.config);
    bench.vm->destroy();
    if (end_state) {
      record.determinism = end_state->state();
      record.determinism->argv = exact_argv(plan, bench.config);
    }
  }
  if (monitor.output().is_open()) tell_output(scene, output);
  monitor.end_console();
  hear(monitor.console(), evidence);
  evidence.subtests = monitor.subtests();
  evidence.last_word = monitor.last_word();
  evidence.counters_after.merge(monitor.measures().of(plan.name()));
  keep_dump(scene);
  KTRIAL_TRY(keep_evidence(artifacts, evidence));
  conclude(scene);
  if (from != nullptr && !monitor.hello() &&
      !std::holds_alternative<verdict::Interrupted>(evidence.ending))
    judge_sleeper(scene);
  if (plan.spec.keep_machine) {
    settle_kept_machine(artifacts, record.verdict.outcome == results::Outcome::fail);
    if (std::error_code none; fs::exists(artifacts / kMachineJson, none))
      context.observer.on_step("its machine is kept as it stood: `ktrial open` looks at it again");
  }
  record.duration_s = in_seconds(context.clock.now() - begun);
  return record;
}

}  // namespace ktrial::trial
