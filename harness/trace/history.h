// A trace as a plain list of what happened, wherever it came from: the rings of a dead guest,
// a trace.txt, a console log. What is told of a trace is told from this.
//
// The text need not be believed: every line stands for itself, and one that is no event is
// passed over.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "harness/trace/trace.h"

namespace ktrial::trace {

inline double seconds(std::uint64_t ns) { return static_cast<double>(ns) / 1e9; }

enum class Act { other, task_switch, fork };

struct Moment {
  unsigned cpu = 0;
  std::uint64_t ns = 0;  // by the trace clock
  int pid = 0;           // whose task it happened in; 0: idle
  Act act = Act::other;
  int from = 0, to = 0;   // pids: who left and who came, or parent and child
  bool to_sleep = false;  // who left is in state D
  bool doubtful = false;  // uncommitted, or damaged on its way
  std::string event;      // "sched_switch"; "function" for the function tracer
  std::string text;       // its fields, or "callee <-caller"; may be left out
};

struct History {
  std::vector<Moment> moments;       // by time; of one CPU in its own order
  std::map<int, std::string> names;  // of tasks by pid: the last that was seen
  // pid of each CPU's current task, where the kernel itself says so (and tracing was on).
  std::map<unsigned, int> running;
  std::string source;                // "RAM", "console", ...
  std::vector<std::string> missing;  // not empty: it is partial, and why

  std::string task(int pid) const;  // "name/pid"
  std::uint64_t end_ns() const;     // of the last event; 0: there is none
};

// `with_text`: texts, too; see print_events().
History history_of(const Trace& trace, bool with_text = true);

// A trace.txt as to_text() writes it.
History read_text(std::string_view text);
// What read_text() reads, without lines about the whole.
std::string to_text(const History& history);

// Fills in what the event's text says: act, from, to, to_sleep; and names.
void understand(Moment& moment, std::map<int, std::string>& names);

// A new process or thread.
struct Birth {
  std::uint64_t ns = 0;
  unsigned cpu = 0;
  int parent = 0, child = 0;
  bool ran = false;           // it was switched to
  bool parent_waits = false;  // its parent went off in state D and never came back: a vfork
};
std::vector<Birth> births(const History& history);  // by time

// A task that was switched out in state D, and never back.
struct HeldOff {
  std::uint64_t since_ns = 0;
  unsigned cpu = 0;
  int pid = 0;
};
std::vector<HeldOff> held_off(const History& history);  // the last one first

// A time without events on one CPU.
struct Gap {
  unsigned cpu = 0;
  std::uint64_t from_ns = 0, to_ns = 0;
  bool idle = false;  // the CPU was idle in it
  bool open = false;  // up to the end of the trace
};
// The longest first, at most `most`; idle ones last.
std::vector<Gap> longest_gaps(const History& history, std::size_t most);

}  // namespace ktrial::trace
