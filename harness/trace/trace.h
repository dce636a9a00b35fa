// A recovered trace as a whole, and what it tells.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "harness/trace/formats.h"
#include "harness/trace/rings.h"

namespace ktrial::trace {

struct Trace {
  Rings rings;
  Formats formats;
  std::map<int, std::string> names;  // of tasks by pid: the last that was seen
  std::map<unsigned, int> running;   // pid of each CPU's current task, as the kernel has it
  // What events say, see print_events(); of those that are not here, their plain fields.
  std::unordered_map<const Event*, std::string> texts;
  // Of the kernel that it was read from, and as long as that lives; may be null.
  const introspect::SymbolTable* symbols = nullptr;

  // All events of all CPUs by time; of one CPU in its own order.
  std::vector<const Event*> by_time() const;
  std::string task(int pid) const;  // "name/pid"
  std::size_t count() const;
};

// Reads rings, formats of what occurs in them, and task names, from a paused guest.
// Parts that cannot be read leave their `trouble`; the error: there is no trace at all.
Result<Trace> read_trace(const introspect::KernelView& kernel);
// Fills `names` from the events themselves. Part of read_trace().
void learn_names(Trace& trace);

// For people: how much there is and what is missing, the last event of every CPU, the
// longest gaps, vfork children that never ran, who was held off last.
std::vector<std::string> summary(const Trace& trace);

}  // namespace ktrial::trace
