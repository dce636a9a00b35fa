#include "harness/trial/late_evidence.h"

#include <fmt/format.h>

#include "harness/autopsy/inspector.h"
#include "harness/trace/trace.h"
#include "harness/trial/black_box.h"
#include "harness/trial/findings.h"
#include "harness/trial/judgement.h"
#include "harness/trial/live_trace.h"
#include "harness/trial/output_folder.h"
#include "harness/trial/trace_files.h"
#include "harness/verdict/blame.h"

namespace ktrial::trial {
using verdict::Evidence;

namespace {

template <class... T>
bool ended_by(const Evidence& evidence) {
  return (std::holds_alternative<T>(evidence.ending) || ...);
}

void take_autopsy(const Scene& scene) {
  Evidence& evidence = scene.evidence;
  scene.context.observer.on_step(scene.plan.examine_held
                                     ? "the machine is held; looking at it"
                                     : "the guest stalls; looking at it from outside");
  scene.monitor.timeline().stop(scene.context.clock.now());
  evidence.autopsy = autopsy::examine(
      {.clock = scene.context.clock,
       .vm = scene.vm,
       .host = scene.monitor.host(),
       .let_run = [&](auto time) { return !scene.monitor.wait_vm_end(time); },
       .inspect =
           [&](vm::GuestRam ram) {
             return autopsy::make_inspector(std::move(ram), scene.plan.symbols);
           },
       .trace =
           [&](const introspect::KernelView& kernel, const std::vector<std::string>& log) {
             return recover_trace(scene, kernel, log);
           },
       .core = scene.plan.spec.core ? scene.artifacts / "vmcore" : std::filesystem::path(),
       .wants_proof =
           !autopsy::host_explains(evidence.host, -1, verdict::starving_share(evidence)).empty(),
       .proof_s = verdict::proof_seconds(evidence),
       .proof_patience = scene.plan.timeouts.proof,
       .monitor_patience = scene.plan.timeouts.monitor_reply,
       .before = scene.looks,
       .stands_still = scene.plan.examine_held});
  const autopsy::Autopsy& found = evidence.autopsy;
  std::vector<autopsy::Access> access = found.access;
  if (access.empty() && !found.blind.empty()) access.push_back({"memory", found.blind});
  note_access(scene, access);
  for (const auto& vcpu : found.vcpus)
    scene.context.observer.on_event(
        "vcpu", fmt::format("{}: {} {}", vcpu.cpu, autopsy::name(vcpu.what), vcpu.function));
  for (const std::string& note : found.notes) scene.context.observer.on_event("autopsy-note", note);
  write_trial_file(scene, "autopsy.txt", autopsy::to_text(found));
  if (found.kernel_log.empty()) return;
  std::string text;
  for (const std::string& line : found.kernel_log) text += line + "\n";
  write_trial_file(scene, "kernel.log", text);
}

bool shows_stacks(const autopsy::Autopsy& autopsy) {
  for (const auto& vcpu : autopsy.vcpus)
    if (!vcpu.stack.empty()) return true;
  return false;
}

// Makes the kernel print every CPU's stack itself (see unknown_nmi_panic in prepare.cc).
void raise_nmi(const Scene& scene) {
  Evidence& evidence = scene.evidence;
  evidence.provoked_from = scene.monitor.console().findings().size();
  evidence.nmi_after_line = scene.monitor.console().lines();
  auto sent = scene.vm.inject_nmi(scene.plan.timeouts.monitor_reply);
  if (!sent) return scene.context.observer.on_event("nmi-failed", sent.error().message);
  scene.context.observer.on_event("nmi", "injected, to make the kernel print every CPU's stack");
  // A panic in NMI context prints nothing until every CPU was asked for its
  // stack, which takes ten seconds when one does not answer; then the guest resets.
  scene.monitor.wait_vm_end(scene.plan.timeouts.nmi_answer);
}

void let_go_on(const Scene& scene) {
  if (auto resumed = scene.vm.resume(scene.plan.timeouts.monitor_reply); !resumed)
    scene.context.observer.on_event("resume-failed", resumed.error().message);
}

void examine_silence(const Scene& scene) {
  Evidence& evidence = scene.evidence;
  take_autopsy(scene);
  hear_log(evidence.autopsy.kernel_log, kinds_of(scene.plan.spec.fail_on), evidence);
  if (scene.monitor.vm_ended() || shows_stacks(evidence.autopsy)) return;
  let_go_on(scene);
  raise_nmi(scene);
}

void examine_report(const Scene& scene) {
  const auto& findings = scene.monitor.console().findings();
  if (!findings.empty() && verdict::is_stall(findings.front().kind) && !scene.monitor.vm_ended()) {
    take_autopsy(scene);
    let_go_on(scene);
  } else {
    // Before it is overwritten: a guest may live on after an oops.
    recover_trace_from_ram(scene);
    if (!scene.monitor.vm_ended()) let_go_on(scene);
  }
  scene.monitor.settle(scene.plan.timeouts.late_report, scene.plan.timeouts.report_settle);
}

// Always when one was asked for; of the black box alone when something failed.
bool wants_trace(const Plan& plan, const Evidence& evidence) {
  if (!has_black_box(plan) || plan.exact) return false;  // nobody may ask a deterministic guest
  if (plan.trace.any()) return true;
  const auto* result = std::get_if<verdict::AgentResult>(&evidence.ending);
  if (result == nullptr || result->exit.kind == wire::ExitKind::not_started) return false;
  return result->exit.value != 0 && !verdict::cannot_run(evidence, result->exit);
}

// Pauses a guest that is well, sees what can be read of it, and lets it go on.
void try_introspection(const Scene& scene) {
  const auto blind = [&](const std::string& why) { note_access(scene, {{"memory", why}}); };
  const auto patience = scene.plan.timeouts.monitor_reply;
  if (auto paused = scene.vm.pause(patience); !paused) return blind(paused.error().message);
  if (auto ram = scene.vm.ram(patience); !ram) {
    blind(ram.error().message);
  } else if (auto opened = autopsy::make_inspector(std::move(*ram), scene.plan.symbols); !opened) {
    blind(opened.error().message);
  } else {
    note_access(scene, (*opened)->access());
    if (const auto* view = (*opened)->view(); view != nullptr && has_black_box(scene.plan)) {
      const auto trace = trace::read_trace(*view);
      note_access(scene, {{"trace", trace ? "" : trace.error().message}});
    }
  }
  let_go_on(scene);
}

// Pieces come until the end; a guest that sends none for a while is waited for no longer.
void collect_output(const Scene& scene) {
  OutputFolder& output = scene.monitor.output();
  if (!output.is_open()) return;
  const OutputBounds most;
  scene.channel.send(wire::encode(wire::ReadFiles{most.bytes, most.files}));
  const auto until = scene.context.clock.now() + scene.plan.total;
  for (bool moves = true; moves && !output.end() && scene.context.clock.now() < until;) {
    const auto before = std::pair(output.bytes(), output.files());
    moves = scene.monitor.wait_until(
        [&] { return output.end() || std::pair(output.bytes(), output.files()) != before; },
        scene.plan.timeouts.monitor_reply);
  }
}

// A copy skips the boot, and so its end: what passed in silence has nothing more to tell. A
// shutdown, like a boot, is seen in trials that start cold.
bool may_be_cut_off(const Scene& scene) {
  const auto* result = std::get_if<verdict::AgentResult>(&scene.evidence.ending);
  return scene.record.start == name(spec::Start::warm) && result != nullptr &&
         result->exit.kind == wire::ExitKind::exited && result->exit.value == 0 &&
         !scene.evidence.counters_after.empty() &&
         scene.evidence.counters_after == scene.evidence.counters_before &&
         !scene.monitor.spoke_since_hello();
}

void end_cleanly(const Scene& scene) {
  Evidence& evidence = scene.evidence;
  read_counters(scene, evidence.counters_after);
  if (scene.plan.introspect && !scene.plan.exact && !scene.monitor.vm_ended())
    try_introspection(scene);
  collect_output(scene);
  if (wants_trace(scene.plan, evidence)) collect_trace(scene);
  if (may_be_cut_off(scene)) {
    // What is on its way to us still counts.
    scene.monitor.settle(scene.plan.timeouts.report_settle, std::chrono::milliseconds(5));
    if (may_be_cut_off(scene)) return;
  }
  scene.channel.send(wire::encode(wire::PowerOff{}));
  if (!scene.monitor.wait_vm_end(scene.plan.timeouts.shutdown))
    scene.context.observer.on_event("shutdown", "the guest did not power off in time");
}

}  // namespace

void read_counters(const Scene& scene, std::map<std::string, std::uint64_t>& into) {
  scene.channel.send(wire::encode(wire::ReadCounters{}));
  if (scene.monitor.wait_counters(scene.plan.timeouts.monitor_reply))
    into = scene.monitor.counters();
}

void gather_late_evidence(const Scene& scene) {
  using namespace verdict;
  Evidence& evidence = scene.evidence;
  if (scene.plan.ends_when_held) {
    if (scene.plan.examine_held && !scene.monitor.vm_ended()) take_autopsy(scene);
    return;
  }
  if (ended_by<AgentResult>(evidence)) {
    end_cleanly(scene);
  } else if (ended_by<HeartbeatSilence, ProgressSilence>(evidence) ||
             (ended_by<DeadlinePassed>(evidence) && scene.monitor.console().saw_kernel_line())) {
    examine_silence(scene);
  } else if (ended_by<ConsoleReport>(evidence)) {
    examine_report(scene);
  } else if (ended_by<ChannelLost, ProtocolError>(evidence)) {
    // A dying VM takes its channel along: if it ends now, that was the reason.
    if (scene.monitor.wait_vm_end(scene.plan.timeouts.report_settle))
      evidence.ending = *scene.monitor.vm_end();
  } else if (auto* stopped = std::get_if<VmStopped>(&evidence.ending)) {
    if (auto status = scene.vm.status(scene.plan.timeouts.monitor_reply))
      stopped->reason += " (status: " + *status + ")";
  }
  if (!ended_by<AgentResult, Interrupted>(evidence) && scene.monitor.console().saw_kernel_line())
    recover_trace_from_ram(scene);
}

}  // namespace ktrial::trial
