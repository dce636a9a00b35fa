// What an all-CPU backtrace must look like in the kernel's log. Pure.
//
// Source of the rules: nmi_trigger_cpumask_backtrace() in lib/nmi_backtrace.c,
// and its callers. The CPU that is asked copies the mask of online CPUs without
// the excluded one, prints its own trace if it is in there, then
//     Sending NMI from CPU 1 to CPUs 0,2-3:
// and every CPU of that list answers once, in any order, with one of
//     NMI backtrace for cpu 2
//     NMI backtrace for cpu 2 skipped: idling at native_safe_halt+0xb/0x10
// It holds preemption off meanwhile: none of those CPUs can go offline. A second
// request while one is open is dropped. No list, no "Sending" line.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "workloads/nmi-backtrace/kmsg.h"

namespace ktrial::workload {

inline constexpr int kNobody = -1;

struct BacktraceRequest {
  std::set<int> askers;    // CPUs that asked, each once, perhaps at the same time
  std::set<int> must;      // online all the while
  std::set<int> may;       // `must`, and those that were online for a part of it
  int excluded = kNobody;  // sysrq-l: nobody; soft lockup: the asker; hard lockup: its victim
  // Of a hard lockup: before the request, the victim is asked alone.
  bool victim_first = false;
  // Sequence number of the first line that is due; unknown: not checked.
  std::optional<std::uint64_t> first_sequence = {};
};

struct BacktraceVerdict {
  std::vector<std::string> broken;  // one sentence each; empty: all is well so far
  std::set<int> unanswered;         // were asked by the last request and have not answered yet
  bool lost = false;                // lines were overwritten: what came after them was not judged
  int served = 0;                   // requests that were carried out
  int answers = 0;                  // with a trace of a CPU that was sent an NMI
  int idle = 0;                     // answers "skipped: idling"
};

// Whether the kernel itself reported a stall in `lines`: then it made requests of
// its own, and who asked whom is not to be judged by ours.
bool reports_stall(const std::vector<KmsgLine>& lines);

// `lines`: the log from before the request to now.
BacktraceVerdict check_backtraces(const std::vector<KmsgLine>& lines,
                                  const BacktraceRequest& request);

// The request that the first soft or hard lockup report in `lines` makes, given
// who was online; nothing if there is none. Its lines begin at `first_line`.
struct LockupRequest {
  BacktraceRequest request;
  std::size_t first_line = 0;
};
std::optional<LockupRequest> find_lockup(const std::vector<KmsgLine>& lines,
                                         const std::set<int>& must, const std::set<int>& may);

}  // namespace ktrial::workload
