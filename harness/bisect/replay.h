// The log of a bisection: what resumes it, and what a reader can follow, as `git bisect log` is.
//
//   # ktrial bisect log
//   direction bug                     bug | fix; then what every choice depends on
//   good v6.18                        one line for each; with `fix` several `bad`, one `good`
//   bad v6.19
//   confidence 0.95
//   rates ? 0                         fail rate of a run with the bug, without it; ?: unknown
//   cost 300 20 2                     seconds a build, seconds a run, runs at a time
//   ends 1 120 0                      Settings::failing_end_fails, .._max_runs, clean_end_runs
//   graph 1f0c...                     CommitGraph::hash()
//   prior 0                           prior_hash(Settings::weights)
//   built 4fd2c1 312.5                then the events, appended as they come
//   run 4fd2c1 fail 12.25             seconds; also `pass`, and `other` with the share of a run
//   run 4fd2c1 other 9.5 0.4          that it lasted: no evidence but that share
//   skip 77aa01 41 does not build     seconds, then any text
//
// A line that starts with # is a comment. A last line without its end was being written when the
// writer was killed: it is ignored. Numbers are printed so that they are read back exactly.
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "harness/bisect/engine.h"

namespace ktrial::bisect {

struct LogHeader {
  std::vector<std::string> old_ends;
  std::string new_end;
  Settings settings;  // without weights and budget: a resumed search may have another budget
  std::uint64_t graph_hash = 0, prior_hash = 0;
};

enum class RunOutcome { fail, pass, other };
struct RunEvent {
  std::string commit;
  RunOutcome outcome = RunOutcome::pass;
  double seconds = 0;
  double share = 1;  // of a whole run, in [0, 1]; counts for `other` only
};
struct BuiltEvent {
  std::string commit;
  double seconds = 0;
};
struct SkipEvent {
  std::string commit;
  double seconds = 0;
  std::string reason = {};
};
using Event = std::variant<RunEvent, BuiltEvent, SkipEvent>;

struct Log {
  LogHeader header;
  std::vector<Event> events;
  std::vector<std::size_t> lines;  // of each event, from 1
  // Bytes that were understood: cut a file to this before appending to it.
  std::size_t valid_bytes = 0;
};

std::uint64_t prior_hash(std::span<const double> weights);

// Each ends in a newline; ids must not be empty nor hold white space.
std::string print_header(const LogHeader& header);
std::string print_event(const Event& event);
// ErrorKind::usage, naming `file` and the line, for anything but the format above.
Result<Log> parse_log(std::string_view text, const std::string& file);

// Tells the engine of one event: what a live search does too, so that both come out the same.
Status tell(Engine& engine, const Event& event);
// The engine as it was when the log's last event was written. ErrorKind::usage if `graph` or
// `weights` are not those of the log, or a commit is unknown. `graph` must outlive the engine.
Result<Engine> replay(const CommitGraph& graph, const Log& log, std::vector<double> weights,
                      const std::string& file);

}  // namespace ktrial::bisect
