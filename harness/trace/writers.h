// A trace as files that others open. All pure: bytes out.
#pragma once

#include <string>
#include <vector>

#include "harness/trace/trace.h"

namespace ktrial::trace {

// trace-cmd's format, version 6 (trace-cmd.dat.v6(5)): `trace-cmd report`, KernelShark.
// The raw pages as they were in memory. Events that were not committed are not in it,
// consumed ones are, unmarked.
std::string to_trace_dat(const Trace& trace);

// One line an event, by time: "comm-pid [cpu] seconds: event: fields", as `trace` shows
// them. Lines that start with '#' say what the rest is. At its end "  <uncommitted>" or
// "  <consumed>" where that applies.
std::string to_text(const Trace& trace);

// Where a mark is shown: among the events, or on a track of its own.
enum class Track { events, phases, progress, beats, host };

// A point in time, or a span of it, worth seeing beside the events. `cpu` < 0: of all CPUs.
struct Mark {
  std::uint64_t ns = 0;
  std::string text;
  int cpu = -1;
  Track track = Track::events;
  std::uint64_t until_ns = 0;  // 0: a point
};
// Chrome's trace event format (JSON), which ui.perfetto.dev and chrome://tracing open:
// a track for each CPU with what it ran, other events as instants, `marks` on top, or on
// tracks of their own.
std::string to_perfetto_json(const Trace& trace, const std::vector<Mark>& marks);

}  // namespace ktrial::trace
