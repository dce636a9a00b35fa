// What one trial and one run came to, as plain values. The store writes them,
// the report shows them; neither knows how they came about. This folder uses
// nothing but the standard library here, so that any tool can read a record.
//
// Times: durations are seconds, points in time are UTC. Strings that come from
// the guest may hold any bytes; writers escape them, readers need not trust them.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "results/kind.h"

namespace ktrial::results {

// pass: the kernel did what the workload asks. fail: the kernel misbehaved.
// inconclusive: the kernel was never judged (starved host, lost guest, ...).
enum class Outcome { pass, fail, inconclusive };
std::string_view name(Outcome outcome);
std::optional<Outcome> parse_outcome(std::string_view text);

// `interrupted`: stopped by the user, or its process died before the end.
enum class RunState { running, finished, interrupted };
std::string_view name(RunState state);
std::optional<RunState> parse_run_state(std::string_view text);

using TimePoint = std::chrono::system_clock::time_point;
// Ordered, as the writer gave them; a name may repeat.
using Facts = std::vector<std::pair<std::string, std::string>>;
using Counters = std::vector<std::pair<std::string, std::uint64_t>>;

// What a trial, or a whole run, came to.
struct Verdict {
  Outcome outcome = Outcome::inconclusive;
  std::string title;  // of a failure, in syzbot's grammar where it has one
  RecordedKind kind;
  std::string culprit;    // the function at fault, as ktrial judges; may be empty
  std::string signature;  // make_signature(); equal for equal failures, empty unless fail
  std::string reason;     // a sentence: what the outcome rests on
  bool operator==(const Verdict&) const = default;
};

// One report of the kernel found in a console log.
struct Finding {
  std::string title;  // syzbot's grammar: "BUG: soft lockup in F"
  RecordedKind kind;
  std::string culprit;  // ktrial's own judgement of the function at fault; may be empty
  std::optional<int> cpu;
  std::string task;              // "comm/pid"; may be empty
  std::uint64_t first_line = 0;  // 1-based lines of the console log
  std::uint64_t last_line = 0;
  bool corrupted = false;  // text is known to be missing or interleaved
  std::string excerpt;     // bounded by whoever found it
};

// One test of a program that runs many: KTAP, IGT.
struct Subtest {
  std::string name;    // "suite/test"
  std::string result;  // pass, fail, skip, crash, timeout
  std::string reason;
  std::optional<double> seconds;
  bool bad() const { return result != "pass" && result != "skip"; }
};

// One stall, however many reports it made: lines for people.
struct Incident {
  std::vector<std::string> chain;    // in causal order, the culprit first
  std::vector<std::string> victims;  // who waits for it
  std::string autopsy;               // the page of autopsy.txt; empty: none was taken
  // Why there is no page, or one that knows nothing of the guest's memory; else empty.
  std::string no_autopsy = {};
  bool empty() const { return chain.empty() && autopsy.empty() && no_autopsy.empty(); }
};

// What the kernel's own trace tells about its end. Seconds are by the trace's clock; tasks
// are "name/pid". Lists are bounded by whoever made them.
struct TraceStory {
  struct Cpu {
    unsigned cpu = 0;
    double last_s = 0;        // its last event
    std::string last;         // what that was
    bool unfinished = false;  // a switch of tasks: begun, not ended
    double gap_s = 0;         // its longest time without an event
    double gap_from_s = 0;
    bool gap_idle = false, gap_open = false;  // nothing to do; up to the trace's end
  };
  struct Fork {
    double at_s = 0;
    unsigned cpu = 0;
    std::string parent, child;
    bool ran = false;           // the child did
    bool parent_waits = false;  // in state D, as for a vfork
  };
  struct Held {  // a task that went to sleep in state D, and did not come back
    double since_s = 0;
    unsigned cpu = 0;
    std::string task;
    std::string child;  // that it made last, if it waits since; else empty
    bool child_ran = false;
  };
  std::string source;  // "RAM", "console", ...
  std::uint64_t events = 0;
  double begin_s = 0, end_s = 0;
  std::vector<std::string> missing;  // not empty: the trace is partial, and why
  std::vector<Cpu> cpus;
  std::vector<Fork> forks;  // the last ones, and all whose child never ran; by time
  std::vector<Held> held_off;
  bool empty() const { return events == 0; }
};

// The kernel on trial, for who compares or publishes records; empty: not known.
struct KernelFacts {
  std::string release;        // uname -r
  std::string commit;         // of its source, 40 hex digits
  std::string architecture;   // as the kernel names it: "x86_64"
  std::string compiler;       // as its banner names it: "gcc-12 (Debian 12.2.0-14) 12.2.0"
  std::string config_sha256;  // of its .config
  std::string image_sha256;
  bool operator==(const KernelFacts&) const = default;
};

// What the trial ran on.
struct HostFacts {
  std::string name;    // of the host
  std::string cpu;     // model
  int cores = 0;       // that ktrial may use; 0: not known
  std::string kernel;  // uname -r
  std::string qemu;    // version
  bool operator==(const HostFacts&) const = default;
};

// A trial that is a pure function of its command line: all that it takes to have it again, and what
// has to come of it (docs/replay.md). Instructions are counted as the plugin counts them.
struct Determinism {
  int seed = 0;
  int shift = 0;
  std::vector<std::string> argv;  // QEMU's, without what is the host's
  std::string qemu_version, qemu_sha256, kernel_sha256, initramfs_sha256;
  // Where the machine was held for what follows: "end" (the agent's last word), "count"; empty: it
  // was not, and why.
  std::string held, not_held;
  std::uint64_t instructions = 0;     // at that point, of all vCPUs
  std::vector<std::uint64_t> by_cpu;  // of each
  std::uint64_t console_bytes = 0;    // up to there
  std::string console_sha256, registers_sha256, ram_sha256;
  int runs = 0;        // that came to this
  std::string parted;  // what differed first in one that did not; empty: none
};

struct TrialRecord {
  int index = 0;  // 0-based within the run; also the name of its folder
  Verdict verdict;
  double duration_s = 0;
  double boot_s = 0;  // VM start to the guest's hello; 0: it never came
  std::string accel;  // what was really used: "kvm" or "tcg"
  std::string channel;
  std::string vmm;
  std::string start;  // "cold": it booted; "warm": resumed from a template; empty: older records
  std::filesystem::path artifacts;  // absolute while in memory; the store sets it
  std::vector<Finding> findings;
  std::vector<Subtest> subtests;
  Incident incident;  // empty unless something stalled
  TraceStory trace;   // empty unless a trace was recovered
  std::optional<Determinism> determinism;
  KernelFacts kernel;
  HostFacts host;
  Facts facts;        // command line, what the host did meanwhile, ...
  Counters counters;  // the guest kernel's own: warn_count, oops_count, ...
  TimePoint started_at{};
};

// What was asked for, as far as a reader of the report needs it.
struct SpecSummary {
  std::string kernel;    // the reference as given
  std::string workload;  // empty when a command runs instead
  std::vector<std::string> command;
  Facts parameters;
  int cpus = 0;
  int memory_mib = 0;
  int repeat = 1;  // trials asked for
  bool until_fail = false;
  double duration_s = 0;
  double timeout_s = 0;
  std::string accel, vmm, channel, machine, append, trace;  // as asked for ("auto", ...)
};

// The campaign that a run is a part of, and the cell of its matrix; empty: of none.
struct Membership {
  std::string campaign, cell;
  bool operator==(const Membership&) const = default;
};

// The `schema` of every document and record, see document() in store/json.h. Grows with each
// change that a reader may want to know of; what has none is older than the first.
inline constexpr int kSchema = 1;
std::string_view ktrial_version();

struct RunRecord {
  std::string id;           // set by the store; sorts by start time
  std::string recorded_by;  // ktrial's version; empty: of the time before records had one
  RunState state = RunState::running;
  SpecSummary spec;
  std::vector<std::string> argv;      // what re-runs it
  std::filesystem::path directory;    // set by the store
  std::filesystem::path working_dir;  // where argv was given
  TimePoint started_at{};
  std::optional<TimePoint> finished_at;
  Verdict verdict;
  Membership part_of;
  Facts facts;  // of the host and the program
  std::vector<TrialRecord> trials;
  std::vector<std::string> unreadable;  // set by the store: a trial's record that is damaged, why
};

// How trials add up:
//   any trial failed                     -> fail: one proven failure is proof;
//   no trial at all                      -> inconclusive;
//   all passed, and as many as expected  -> pass;
//   anything else                        -> inconclusive. A pass means that every
//     trial asked for was judged and passed; nine passes do not vouch for a tenth
//     trial that nobody saw.
// Of several failing signatures the most frequent names the run (a tie: the one
// seen first); title, kind and culprit are those of its first trial.
// `expected`: trials asked for, 0 when open-ended (until a failure).
Verdict overall(const std::vector<TrialRecord>& trials, int expected = 0);

// A short name under which equal failures meet: "soft_lockup:mm_get_cid". Made
// from the kind and the function at fault (the culprit, else the F of "... in F"),
// less compiler suffixes (".isra.0", ".cold"), offsets ("+0x55/0x90"), module
// names. Without a function, from the title with its numbers and addresses masked.
// Stable from run to run; only [A-Za-z0-9_.:-], at most 96 bytes.
std::string make_signature(std::string_view kind, std::string_view title,
                           std::string_view culprit = {});
// "mm_get_cid.isra.0+0x55/0x90 [mod]" -> "mm_get_cid".
std::string strip_function(std::string_view function);

}  // namespace ktrial::results
