// A trace from a living guest's tracefs, as files: formats, statistics, raw pages.
// Pure; what is in the files comes from a guest, and is not believed.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "harness/trace/trace.h"

namespace ktrial::trace {

// By their path in tracefs, "per_cpu/cpu0/trace_pipe_raw"; those below "after/" were read once
// more when the pages had been. "kallsyms": of /proc.
using TraceFiles = std::map<std::string, std::string, std::less<>>;

struct Collected {
  Trace trace;
  std::string clock;      // by name
  std::size_t bytes = 0;  // of raw pages
  // Events that the guest counted but that are not in the pages it sent: overwritten before,
  // never written for want of room.
  std::uint64_t overwritten = 0, dropped = 0;
  std::unique_ptr<introspect::SymbolTable> symbols;  // trace.symbols; may be null
};

// Each CPU's ring is checked against its statistics: CpuRing::complete().
// The error: there are no statistics of any CPU.
Result<Collected> from_tracefs(const TraceFiles& files);

// A file events/SYSTEM/EVENT/format; the opposite of Format::text().
Result<Format> parse_format(std::string_view text, std::string_view system);

}  // namespace ktrial::trace
