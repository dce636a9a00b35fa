#include "harness/verdict/decide.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace ktrial::verdict {
using results::Outcome;

const char* name(Phase phase) {
  switch (phase) {
    case Phase::boot: return "boot";
    case Phase::workload: return "workload";
    case Phase::shutdown: return "shutdown";
  }
  std::abort();
}

namespace {

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};

Verdict fails(std::string title, std::string kind, std::string culprit, std::string reason) {
  std::string signature = results::make_signature(kind, title, culprit);
  return {Outcome::fail, std::move(title), std::move(kind), std::move(culprit),
          std::move(signature), std::move(reason)};
}
Verdict inconclusive(std::string kind, std::string reason) {
  return {Outcome::inconclusive, "", std::move(kind), "", "", std::move(reason)};
}

// A stall is a statement about time, and time is what a host can take away.
bool is_stall(console::Kind kind) {
  using enum console::Kind;
  return kind == soft_lockup || kind == hard_lockup || kind == rcu_stall || kind == hung_task ||
         kind == workqueue_lockup;
}

// Panics that say "you gave me no root", not "I am broken".
bool is_our_setup(const console::Finding& finding) {
  return finding.title.find("Unable to mount root fs") != std::string::npos ||
         finding.title.find("No working init found") != std::string::npos ||
         finding.title.find("VFS: Cannot open root device") != std::string::npos;
}

// Panics over ticks that came too slowly: what a starved host does to a boot.
bool is_lost_time(const console::Finding& finding) {
  return finding.title.find("IO-APIC + timer doesn't work") != std::string::npos;
}

// The first culprit that any report of this trial names.
std::string known_culprit(const Evidence& evidence, std::size_t from) {
  for (std::size_t i = from; i < evidence.findings.size(); ++i)
    if (!evidence.findings[i].culprit.empty()) return evidence.findings[i].culprit;
  return "";
}

std::optional<Verdict> from_findings(const Evidence& evidence) {
  const std::size_t own = std::min(evidence.provoked_from, evidence.findings.size());
  if (own == 0) return std::nullopt;
  const console::Finding& first = evidence.findings.front();
  if (is_our_setup(first))
    return inconclusive("setup", "the kernel found no init of ours: " + first.title);
  if (is_lost_time(first))
    return inconclusive("host_starved", "the guest's timer lost ticks at boot, as on a starved "
                                        "host: " + first.title);
  // One report that is no stall is enough: no host can make a kernel oops.
  const bool only_stalls =
      std::all_of(evidence.findings.begin(), evidence.findings.begin() + static_cast<long>(own),
                  [](const auto& finding) { return is_stall(finding.kind); });
  if (only_stalls)
    if (std::string why = autopsy::host_explains(evidence.host); !why.empty())
      return inconclusive("host_starved", why + ", so the report \"" + first.title +
                                              "\" says nothing about the kernel");
  std::string culprit = first.culprit;
  if (culprit.empty() && is_stall(first.kind)) culprit = known_culprit(evidence, 0);
  return fails(first.title, std::string(console::kind_name(first.kind)), culprit,
               fmt::format("the kernel reported it during {}", name(evidence.phase)));
}

// Every sample of `cpu` shows it at one kernel address with interrupts off.
bool is_wedged(const Evidence& evidence, unsigned cpu) {
  std::optional<std::uint64_t> rip;
  int seen = 0;
  for (const auto& sample : evidence.samples)
    for (const vm::VcpuSample& vcpu : sample) {
      if (vcpu.cpu != cpu) continue;
      if (vcpu.interrupts_enabled || vcpu.user_mode || vcpu.halted) return false;
      if (rip && *rip != vcpu.rip) return false;
      rip = vcpu.rip;
      ++seen;
    }
  return seen >= 2;
}

// A host that starves one vCPU does not explain another that had its time and
// is wedged in a function that waits for nobody.
bool is_wedged_regardless_of_host(const Evidence& evidence) {
  for (std::size_t i = evidence.provoked_from; i < evidence.findings.size(); ++i) {
    const console::Finding& finding = evidence.findings[i];
    if (finding.culprit.empty() || !finding.cpu) continue;
    if (autopsy::host_explains(evidence.host, *finding.cpu).empty() &&
        is_wedged(evidence, static_cast<unsigned>(*finding.cpu)))
      return true;
  }
  return false;
}

Verdict from_silence(const Evidence& evidence, const HeartbeatSilence& silence) {
  const bool all = silence.cpus.size() >= silence.of;
  const int cpu = all ? -1 : static_cast<int>(silence.cpus.front());
  if (std::string why = autopsy::host_explains(evidence.host, cpu);
      !why.empty() && !is_wedged_regardless_of_host(evidence))
    return inconclusive("host_starved", why);
  const std::string culprit =
      evidence.provoked_from < evidence.findings.size()
          ? known_culprit(evidence, evidence.provoked_from)
          : "";
  const std::string who =
      all ? "all CPUs" : fmt::format("CPU {}", fmt::join(silence.cpus, ","));
  std::string reason = fmt::format("{} stopped beating for {:.0f} s without a console report", who,
                                   silence.seconds);
  if (!evidence.samples.empty()) {
    const auto& sample = evidence.samples.back();
    const auto off = std::count_if(sample.begin(), sample.end(), [](const auto& vcpu) {
      return !vcpu.interrupts_enabled && !vcpu.user_mode;
    });
    reason += fmt::format("; {} of {} vCPUs run with interrupts off", off, sample.size());
  }
  return fails("INFO: silent stall" + (culprit.empty() ? "" : " in " + culprit), "silent_stall",
               culprit, reason);
}

Verdict from_vm_end(const Evidence& evidence, const VmEnded& ended) {
  if (ended.shutdown == "guest-reset" && evidence.kernel_printed)
    return fails("unexpected kernel reboot", "reset", "",
                 fmt::format("the guest reset itself during {} and reported nothing (a triple "
                             "fault does that)",
                             name(evidence.phase)));
  if (!ended.shutdown.empty())
    return inconclusive("guest_shutdown",
                        fmt::format("the guest ended itself ({}) during {}, before it was judged",
                                    ended.shutdown, name(evidence.phase)));
  return inconclusive("vm_died", "QEMU " + ended.status.text() +
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
      if ((after & ~before->second & kBad) != 0)
        out += fmt::format(" tainted={:#x}", after);
    } else if (after > before->second) {
      out += fmt::format(" {}+{}", counter, after - before->second);
    }
  }
  return out;
}

Verdict from_exit(const Evidence& evidence, const wire::Exit& exit) {
  const std::string what = evidence.workload.empty() ? "the workload" : evidence.workload;
  const std::string detail = exit.detail.empty() ? "" : ": " + exit.detail;
  switch (exit.kind) {
    case wire::ExitKind::not_started:
      return inconclusive("workload_not_started", what + " could not be started" + detail);
    case wire::ExitKind::deadline:
      // CPUs beat and progress was made to the end, else silence would have ended it.
      return inconclusive("workload_slow",
                          evidence.workload_protocol
                              ? what + " made progress but did not finish in time"
                              : what + " was still running when its time was over");
    case wire::ExitKind::signaled:
      return fails(fmt::format("{} was killed by signal {}", what, exit.value), "workload", "",
                   "the workload died" + detail);
    case wire::ExitKind::exited: break;
  }
  if (exit.value == 2 && evidence.workload_protocol)
    return inconclusive("workload_unfit", what + " cannot run on this kernel" + detail);
  if (exit.value != 0)
    return fails(fmt::format("{} failed", what), "workload", "",
                 fmt::format("{} exited with status {}", what, exit.value));
  if (std::string lost = lost_report(evidence); !lost.empty())
    return fails("WARNING: lost kernel report", "lost_report", "",
                 "the kernel counted a report that its console never showed:" + lost);
  return {Outcome::pass, "", "", "", "", what + " finished and the kernel reported nothing"};
}

}  // namespace

// Precedence, highest first:
//  1. interrupted by the user: nothing is known
//  2. what the kernel reported by itself (unless it is a stall that the host explains)
//  3. what ended the wait
Verdict decide(const Evidence& evidence) {
  if (std::holds_alternative<Interrupted>(evidence.ending))
    return inconclusive("interrupted", "interrupted by the user");
  if (auto verdict = from_findings(evidence)) return *verdict;

  return std::visit(
      Overloaded{
          [&](const Interrupted&) { return inconclusive("interrupted", "interrupted"); },
          [&](const ConsoleReport&) {
            return inconclusive("console", "a console report could not be read");
          },
          [&](const AgentResult& result) { return from_exit(evidence, result.exit); },
          [&](const ChannelLost& lost) {
            return inconclusive("channel_lost", "the channel to the guest broke: " + lost.reason);
          },
          [&](const ProtocolError& error) {
            return inconclusive("protocol", "the guest sent garbage on the channel: " + error.what);
          },
          [&](const HeartbeatSilence& silence) { return from_silence(evidence, silence); },
          [&](const ProgressSilence& silence) {
            if (std::string why = autopsy::host_explains(evidence.host); !why.empty())
              return inconclusive("host_starved", why);
            return fails("INFO: task hung in " + evidence.workload, "workload_stall", "",
                         fmt::format("{} made no progress for {:.0f} s while all CPUs beat",
                                     evidence.workload, silence.seconds));
          },
          [&](const VmStopped& stopped) { return inconclusive("vm_stopped", stopped.reason); },
          [&](const VmEnded& ended) { return from_vm_end(evidence, ended); },
          [&](const DeadlinePassed& passed) {
            if (evidence.phase == Phase::boot)
              return inconclusive(
                  "no_boot",
                  evidence.kernel_printed
                      ? fmt::format("the guest agent did not answer within {:.0f} s; last kernel "
                                    "line: {}",
                                    passed.seconds, evidence.last_kernel_line)
                      : fmt::format("the kernel printed nothing within {:.0f} s", passed.seconds));
            return inconclusive("deadline", fmt::format("the trial's time limit of {:.0f} s passed "
                                                        "during {}",
                                                        passed.seconds, name(evidence.phase)));
          },
      },
      evidence.ending);
}

}  // namespace ktrial::verdict
