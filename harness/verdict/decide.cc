#include "harness/verdict/decide.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "harness/base/overloaded.h"
#include "harness/verdict/blame.h"

namespace ktrial::verdict {
using console::Accuses;
using results::Kind;
using results::Outcome;

const char* name(Phase phase) {
  switch (phase) {
    case Phase::boot:
      return "boot";
    case Phase::workload:
      return "workload";
    case Phase::shutdown:
      return "shutdown";
  }
  std::abort();
}

bool is_stall(console::Kind kind) {
  using enum Kind;
  return kind == soft_lockup || kind == hard_lockup || kind == rcu_stall || kind == hung_task ||
         kind == workqueue_lockup || kind == csd_lockup;
}

namespace {

Verdict fails(std::string title, Kind kind, std::string culprit, std::string reason) {
  std::string signature = results::make_signature(name(kind), title, culprit);
  return {Outcome::fail,      std::move(title),     kind,
          std::move(culprit), std::move(signature), std::move(reason)};
}
Verdict inconclusive(Kind kind, std::string reason) {
  return {Outcome::inconclusive, "", kind, "", "", std::move(reason)};
}

// One stall may show as a soft lockup, an RCU stall or as silence, by chance. Where the
// function at fault is known, all of them are the same failure.
Verdict stalls(std::string title, Kind kind, std::string culprit, std::string reason) {
  std::string signature =
      results::make_signature(culprit.empty() ? name(kind) : "stall", title, culprit);
  return {Outcome::fail,      std::move(title),     kind,
          std::move(culprit), std::move(signature), std::move(reason)};
}

// The report that names the trial: the first that stopped work (a crash, corrupted memory, a
// lockup, a hang). A complaint names it only where nothing worse came; both stand in the record.
const console::Finding& naming_report(const std::vector<console::Finding>& findings,
                                      std::size_t own) {
  for (std::size_t i = 0; i < own; ++i)
    if (findings[i].severity >= console::kStopsWork && findings[i].accuses != Accuses::missing_init)
      return findings[i];
  return findings.front();
}

// Whom a stall of `cpu` (-1: any) is owed to, if not to the kernel. `then`: what follows from it.
std::optional<Verdict> owed_to_others(const Evidence& evidence, int cpu, std::string_view then) {
  if (std::string why = emulator_explains(evidence); !why.empty())
    return inconclusive(Kind::emulator, why.append(then));
  if (std::string why = excuse(evidence, cpu); !why.empty())
    return inconclusive(Kind::host_starved, why.append(then));
  return std::nullopt;
}

std::optional<Verdict> from_findings(const Evidence& evidence) {
  const std::size_t own = std::min(evidence.provoked_from, evidence.findings.size());
  if (own == 0) return std::nullopt;
  const console::Finding& first = naming_report(evidence.findings, own);
  if (first.accuses == Accuses::missing_init)
    return inconclusive(Kind::setup, "the kernel found no init of ours: " + first.title);
  if (first.accuses == Accuses::lost_ticks)
    return inconclusive(Kind::host_starved,
                        "the guest's timer lost ticks at boot, as on a starved "
                        "host: " +
                            first.title);
  if (evidence.emulated && first.accuses == Accuses::stale_breakpoint)
    return inconclusive(Kind::emulator,
                        "a breakpoint of the kernel's own code patching was run after "
                        "its removal, as TCG does now and then; KVM would tell");
  // One report that is no stall is enough: no host can make a kernel oops.
  const bool only_stalls =
      std::all_of(evidence.findings.begin(), evidence.findings.begin() + static_cast<long>(own),
                  [](const auto& finding) { return is_stall(finding.kind); });
  if (only_stalls)
    if (auto others = owed_to_others(
            evidence, -1, ", so the report \"" + first.title + "\" says nothing about the kernel"))
      return others;
  const std::string reason = fmt::format("the kernel reported it during {}", name(evidence.phase));
  if (!is_stall(first.kind)) return fails(first.title, first.kind, first.culprit, reason);
  // A task that hangs is held up by what its own stack shows, not by a busy CPU.
  if (first.kind == Kind::hung_task && !first.culprit.empty())
    return stalls(first.title, first.kind, first.culprit, reason);
  return stalls(first.title, first.kind, blame(evidence).function, reason);
}

std::string irqs_off(const autopsy::Autopsy& autopsy) {
  const auto off =
      std::ranges::count_if(autopsy.vcpus, [](const auto& vcpu) { return vcpu.interrupts_off; });
  if (autopsy.vcpus.empty()) return "";
  return fmt::format("; {} of {} vCPUs run with interrupts off", off, autopsy.vcpus.size());
}

// A report that the console never printed, read from the log in RAM.
std::string unprinted_report(const Evidence& evidence) {
  if (evidence.findings_from_log.empty()) return "";
  return "; in its log, but never on the console: " + evidence.findings_from_log.front().title;
}

std::string its_words(const Evidence& evidence) {
  return evidence.last_word.empty() ? "" : "; its last word: " + evidence.last_word;
}

// QEMU could not even be asked: whatever holds it up, no guest kernel can. Why it could not; empty
// if it could, or nobody asked.
std::string why_not_seen(const Evidence& evidence) {
  const autopsy::Autopsy& autopsy = evidence.autopsy;
  if (autopsy.looks > 0 || autopsy.notes.empty() || !blame(evidence).function.empty()) return "";
  return autopsy.notes.front();
}

bool are_all(const HeartbeatSilence& silence) { return silence.cpus.size() >= silence.of; }

std::string who(const HeartbeatSilence& silence) {
  return are_all(silence) ? "all CPUs" : fmt::format("CPU {}", fmt::join(silence.cpus, ","));
}

// All who were not heard made beats for half of that time at least, by the guest's own trace. Half:
// its clock may be slow, and there may be no trace of the last seconds.
bool made_beats(const Evidence& evidence, const HeartbeatSilence& silence) {
  return !silence.cpus.empty() && std::ranges::all_of(silence.cpus, [&](unsigned cpu) {
    const auto made = evidence.unheard_beats_s.find(cpu);
    return made != evidence.unheard_beats_s.end() && made->second >= silence.seconds / 2;
  });
}

Verdict from_silence(const Evidence& evidence, const HeartbeatSilence& silence) {
  const int cpu = are_all(silence) ? -1 : static_cast<int>(silence.cpus.front());
  // Who waits for a starved vCPU is silent, too.
  for (int suspect : {cpu, -1})
    if (auto others = owed_to_others(evidence, suspect, "")) return *others;
  if (made_beats(evidence, silence))
    return inconclusive(
        Kind::channel_lost,
        fmt::format("no beat of {} came for {:.0f} s, but the guest made them all the while, by "
                    "its own trace: the channel lost them; --channel virtio-serial has no daemon",
                    who(silence), silence.seconds));
  // Without that proof so short a silence means nothing.
  if (silence.early && !blame(evidence).proven)
    return inconclusive(Kind::deadline, "a vCPU that seemed stuck moved when it was examined");
  const std::string culprit = blame(evidence).function;
  if (const std::string why = why_not_seen(evidence); !why.empty())
    return inconclusive(Kind::vm_stopped,
                        fmt::format("{} stopped beating for {:.0f} s, and nothing could be seen of "
                                    "the machine: {}",
                                    who(silence), silence.seconds, why));
  return stalls(
      "INFO: silent stall" + (culprit.empty() ? "" : " in " + culprit), Kind::silent_stall, culprit,
      fmt::format("{} stopped beating for {:.0f} s without a console report{}{}", who(silence),
                  silence.seconds, irqs_off(evidence.autopsy), unprinted_report(evidence)));
}

// All CPUs beat, the workload does not move: a CPU that it waits for, or a task that
// sleeps where it should not.
Verdict from_no_progress(const Evidence& evidence, const ProgressSilence& silence) {
  if (auto others = owed_to_others(evidence, -1, "")) return *others;
  if (const std::string why = why_not_seen(evidence); !why.empty())
    return inconclusive(Kind::vm_stopped,
                        fmt::format("{} made no progress for {:.0f} s, and nothing could be seen "
                                    "of the machine: {}",
                                    evidence.workload, silence.seconds, why));
  return stalls(
      "INFO: task hung in " + evidence.workload, Kind::workload_stall, blame(evidence).function,
      fmt::format("{} made no progress for {:.0f} s while all CPUs beat{}{}", evidence.workload,
                  silence.seconds, unprinted_report(evidence), its_words(evidence)));
}

Verdict from_deadline(const Evidence& evidence, const DeadlinePassed& passed) {
  const std::string seen = evidence.autopsy.culprit
                               ? fmt::format("; vCPU {} is in {}", evidence.autopsy.culprit->cpu,
                                             evidence.autopsy.culprit->function)
                               : "";
  if (evidence.phase != Phase::boot)
    return inconclusive(Kind::deadline,
                        fmt::format("the trial's time limit of {:.0f} s passed during {}{}",
                                    passed.seconds, name(evidence.phase), seen));
  if (auto others = owed_to_others(
          evidence, -1, fmt::format("; it did not boot within {:.0f} s", passed.seconds)))
    return *others;
  if (!evidence.kernel_printed)
    return inconclusive(Kind::no_boot,
                        fmt::format("the kernel printed nothing within {:.0f} s", passed.seconds));
  return inconclusive(Kind::no_boot,
                      fmt::format("the guest agent did not answer within {:.0f} s; last "
                                  "kernel line: {}{}",
                                  passed.seconds, evidence.last_kernel_line, seen));
}

Verdict from_vm_end(const Evidence& evidence, const VmEnded& ended) {
  if (ended.shutdown == "guest-reset" && evidence.kernel_printed)
    return fails("unexpected kernel reboot", Kind::reset, "",
                 fmt::format("the guest reset itself during {} and reported nothing (a triple "
                             "fault does that)",
                             name(evidence.phase)));
  if (!ended.shutdown.empty())
    return inconclusive(Kind::guest_shutdown,
                        fmt::format("the guest ended itself ({}) during {}, before it was judged",
                                    ended.shutdown, name(evidence.phase)));
  return inconclusive(Kind::vm_died, "QEMU " + ended.status.text() +
                                         (ended.last_words.empty() ? "" : ": " + ended.last_words));
}

// Counters that the kernel keeps itself: a report that never reached us still counts.
std::string lost_report(const Evidence& evidence) {
  std::string out;
  for (const auto& [counter, after] : evidence.counters_after) {
    auto before = evidence.counters_before.find(counter);
    if (before == evidence.counters_before.end()) continue;
    if (counter == "tainted") {
      // Documentation/admin-guide/tainted-kernels.rst: D died, W warned, L soft lockup.
      constexpr std::uint64_t kBad = (1u << 7) | (1u << 9) | (1u << 14);
      if ((after & ~before->second & kBad) != 0) out += fmt::format(" tainted={:#x}", after);
    } else if (after > before->second) {
      out += fmt::format(" {}+{}", counter, after - before->second);
    }
  }
  return out;
}

// An exit status that says "skipped"; of kselftest 4.
int skip_status(subtests::Format format) {
  if (format == subtests::Format::igt) return 77;
  return format == subtests::Format::ltp ? 32 : 4;
}

// LTP's old library ends so though only some of its tests were skipped.
bool only_in_part(const subtests::Summary& summary, bool all_skipped) {
  return summary.format == subtests::Format::ltp && !all_skipped;
}

// What the program's own tests say; nothing if it ran none, or if they leave it to the
// exit status.
std::optional<Verdict> from_subtests(const Evidence& evidence, const wire::Exit& exit) {
  const subtests::Summary& summary = evidence.subtests;
  if (summary.format == subtests::Format::none) return std::nullopt;
  const auto bad = [](const subtests::Subtest& test) { return subtests::is_bad(test.result); };
  const auto first = std::ranges::find_if(summary.tests, bad);
  if (first != summary.tests.end())
    return fails(first->name + " failed", Kind::subtest, "",
                 fmt::format("{} of {} subtests failed, the first: {}{}{}",
                             std::ranges::count_if(summary.tests, bad), summary.tests.size(),
                             subtests::name(first->result), first->reason.empty() ? "" : ": ",
                             first->reason));
  if (!summary.bailed_out.empty())
    return fails(evidence.workload + " gave up", Kind::subtest, "",
                 "Bail out! " + summary.bailed_out);
  if (summary.missing > 0)
    return fails(evidence.workload + ": subtests missing", Kind::subtest_missing, "",
                 fmt::format("{} planned subtests have no result", summary.missing));
  const bool skipped = std::ranges::all_of(summary.tests, [](const subtests::Subtest& test) {
    return test.result == subtests::Result::skip;
  });
  const bool exited = exit.kind == wire::ExitKind::exited;
  if (exited && ((exit.value == skip_status(summary.format) && !only_in_part(summary, skipped)) ||
                 (skipped && !summary.tests.empty() && exit.value == 0)))
    return inconclusive(Kind::workload_unfit, "all subtests were skipped");
  return std::nullopt;
}

// What a shell ends with when a command was not found, or could not be executed (POSIX.1-2017,
// XCU 2.8.2): that says something of the guest's files, and nothing of its kernel.
bool lacks_a_program(const Evidence& evidence, const wire::Exit& exit) {
  return !evidence.workload_protocol && (exit.value == 126 || exit.value == 127);
}

Verdict from_exit(const Evidence& evidence, const wire::Exit& exit) {
  const std::string what = evidence.workload.empty() ? "the workload" : evidence.workload;
  const std::string detail = exit.detail.empty() ? "" : ": " + exit.detail;
  switch (exit.kind) {
    case wire::ExitKind::not_started:
      return inconclusive(Kind::workload_not_started, what + " could not be started" + detail);
    case wire::ExitKind::deadline:
      // CPUs beat and progress was made to the end, else silence would have ended it.
      return inconclusive(
          Kind::workload_slow,
          evidence.workload_protocol
              ? what + " made progress but did not finish in time"
              : what + " was still running when its time was over" +
                    (evidence.subtests.running.empty() ? "" : ", in " + evidence.subtests.running));
    case wire::ExitKind::signaled:
      return fails(fmt::format("{} was killed by signal {}", what, exit.value), Kind::workload, "",
                   "the workload died" + detail);
    case wire::ExitKind::exited:
      break;
  }
  if (lacks_a_program(evidence, exit))
    return inconclusive(
        Kind::workload_unfit,
        fmt::format(
            "{} ended with status {}: a program that it runs is not in the guest, or cannot "
            "be run there; without a root (--root host) it has the packed command and its "
            "libraries "
            "alone",
            what, exit.value));
  if (auto verdict = from_subtests(evidence, exit)) return *verdict;
  if (cannot_run(evidence, exit))
    return inconclusive(Kind::workload_unfit, what + " cannot run on this kernel" + detail);
  const bool skips_in_part = evidence.subtests.format == subtests::Format::ltp &&
                             exit.value == skip_status(subtests::Format::ltp);
  if (exit.value != 0 && !skips_in_part)
    return fails(fmt::format("{} failed", what), Kind::workload, "",
                 fmt::format("{} exited with status {}{}", what, exit.value, its_words(evidence)));
  if (std::string lost = lost_report(evidence); !lost.empty())
    return fails("WARNING: lost kernel report", Kind::lost_report, "",
                 "the kernel counted a report that its console never showed:" + lost);
  return {
      Outcome::pass, "", Kind::none, "", "", what + " finished and the kernel reported nothing"};
}

// Whether it says how long something took: of that a host can take its share.
bool rests_on_time(Kind kind) {
  using enum Kind;
  return is_stall(kind) || kind == silent_stall || kind == workload_stall || kind == no_boot ||
         kind == deadline || kind == workload_slow;
}

}  // namespace

bool cannot_run(const Evidence& evidence, const wire::Exit& exit) {
  return exit.value == 2 && evidence.workload_protocol;
}

// Precedence, highest first:
//  1. interrupted by the user: nothing is known
//  2. what the kernel reported by itself (unless it is a stall that the host explains)
//  3. what ended the wait
static Verdict judged(const Evidence& evidence) {
  if (std::holds_alternative<Interrupted>(evidence.ending))
    return inconclusive(Kind::interrupted, "interrupted by the user");
  if (auto verdict = from_findings(evidence)) return *verdict;

  return std::visit(
      Overloaded{
          [&](const Interrupted&) { return inconclusive(Kind::interrupted, "interrupted"); },
          [&](const ConsoleReport&) {
            return inconclusive(Kind::console, "a console report could not be read");
          },
          [&](const AgentResult& result) { return from_exit(evidence, result.exit); },
          [&](const ChannelLost& lost) {
            return inconclusive(Kind::channel_lost, lost.part + " broke: " + lost.reason);
          },
          [&](const ProtocolError& error) {
            return inconclusive(Kind::protocol,
                                "the guest sent garbage on the channel: " + error.what);
          },
          [&](const HeartbeatSilence& silence) { return from_silence(evidence, silence); },
          [&](const ProgressSilence& silence) { return from_no_progress(evidence, silence); },
          [&](const VmStopped& stopped) { return inconclusive(Kind::vm_stopped, stopped.reason); },
          [&](const VmEnded& ended) { return from_vm_end(evidence, ended); },
          [&](const DeadlinePassed& passed) { return from_deadline(evidence, passed); },
      },
      evidence.ending);
}

Verdict decide(const Evidence& evidence) {
  Verdict out = judged(evidence);
  if (rests_on_time(out.kind) && !evidence.host.not_told.empty() && !blame(evidence).proven)
    out.reason += "; what its host gave it is not known: " + evidence.host.not_told;
  return out;
}

}  // namespace ktrial::verdict
