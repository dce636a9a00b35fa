// All that one trial learned, as plain values: the input of decide().
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "guest/wire/wire.h"
#include "harness/autopsy/autopsy.h"
#include "harness/autopsy/host_watch.h"
#include "harness/console/analyzer.h"
#include "harness/subtests/subtests.h"
#include "harness/vm/vm.h"

namespace ktrial::verdict {

enum class Phase { boot, workload, shutdown };
const char* name(Phase phase);

// What ended the wait: exactly one of these.
struct ConsoleReport {};  // the kernel reported a failure; see Evidence::findings
struct AgentResult {
  wire::Exit exit;
};
struct ChannelLost {
  std::string reason;
  std::string part = "the channel to the guest";  // of the machinery
};
struct ProtocolError {
  std::string what;  // the agent's stream made no sense
};
struct HeartbeatSilence {
  std::vector<unsigned> cpus;  // that went quiet
  unsigned of = 0;             // CPUs that had been beating
  double seconds = 0;
  bool early = false;  // not for its length: a vCPU was proven stuck (autopsy/early_look.h)
};
struct ProgressSilence {  // CPUs beat, the workload shows no progress
  double seconds = 0;
};
struct VmStopped {
  std::string reason;
};
struct VmEnded {
  std::string shutdown;  // QMP's reason if the guest ended itself, else empty
  ExitStatus status;
  std::string last_words;
};
struct DeadlinePassed {
  double seconds = 0;
};
struct Interrupted {
  int signal = 0;
};
using Ending =
    std::variant<ConsoleReport, AgentResult, ChannelLost, ProtocolError, HeartbeatSilence,
                 ProgressSilence, VmStopped, VmEnded, DeadlinePassed, Interrupted>;

struct Evidence {
  Ending ending;
  Phase phase = Phase::boot;
  std::string workload;  // name, or the program of a packed command
  // Whether exit status 2 means "could not run here" (our workloads), or is a
  // failure as any other (a user's command).
  bool workload_protocol = true;

  bool emulated = false;  // no hardware under the guest: TCG

  bool kernel_printed = false;
  std::string last_kernel_line;
  std::vector<console::Finding> findings;  // in console order
  // Findings from this index on came after we injected an NMI: they show where
  // the CPUs were, but the kernel did not report them by itself.
  std::size_t provoked_from = SIZE_MAX;
  std::optional<std::uint64_t> nmi_after_line;  // of the console, from 1

  subtests::Summary subtests;  // of the program's output, or of the console (KUnit)
  std::string last_word;       // a line of the program's output; empty: it said nothing

  std::map<std::string, std::uint64_t> counters_before, counters_after;
  autopsy::HostEvidence host;                  // over the time without progress
  std::map<unsigned, double> last_beat_ago_s;  // by CPU, seen from the end of the wait
  // By CPU: for how long after its last beat that came it made beats, by the guest's own trace.
  std::map<unsigned, double> unheard_beats_s;
  double slowdown = 1;       // that the host showed during boot, beyond the plan's scale
  autopsy::Autopsy autopsy;  // looks == 0: none was taken
  std::vector<console::Finding> findings_from_log;  // of the log read from RAM
};

// A stall is a statement about time, and time is what a host can take away.
bool is_stall(console::Kind kind);

}  // namespace ktrial::verdict
