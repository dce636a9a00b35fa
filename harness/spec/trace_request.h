// What to trace: the text of `trace` (a spec's key, the flag --trace) as plain values.
//
//   off                            not even the black box
//   ITEM[,ITEM]...                 each one of
//     SYSTEM:EVENT[:FILTER]        an event of the kernel's, SYSTEM:* all of a system; FILTER as in
//                                  Documentation/trace/events.rst, "Event filtering"
//     sched fork rcu ipi irq mmcid a preset: events that belong together
//     function:GLOB                calls of the functions whose names match
//
// Which of them a kernel has, only that kernel can tell. Errors are ErrorKind::usage.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "harness/base/result.h"
#include "harness/spec/spec.h"

namespace ktrial::spec {

struct TraceEvent {
  std::string system;
  std::string name;  // "*": all of the system
  std::string filter;
  std::string preset;  // that brought it; empty: asked for by name
  std::string full() const { return system + ":" + name; }
  bool operator==(const TraceEvent&) const = default;
};

struct TraceRequest {
  bool off = false;
  std::vector<TraceEvent> events;  // each once
  std::vector<std::string> functions;
  bool any() const { return !events.empty() || !functions.empty(); }
  bool operator==(const TraceRequest&) const = default;
};

Result<TraceRequest> parse_trace(std::string_view text);

// "512K", "4M": KiB for each CPU.
Result<int> parse_trace_buffer(std::string_view text);
// Of each CPU, in KiB: what the spec says, or what suits it.
int trace_buffer_kib(const TrialSpec& spec, const TraceRequest& request);

// All that is wrong with a spec's trace keys, a line each; empty: nothing.
std::string trace_problems(const TrialSpec& spec);

// `trace_stop`: tracing stops at the kernel's first warning, instead of at a function.
inline constexpr char kStopAtWarning[] = "warning";

// Bounds. What is read back of a guest ends at that much, too.
inline constexpr int kMinTraceBufferKib = 8;
inline constexpr int kMaxTraceKib = 64 << 10;  // of all CPUs
inline constexpr std::size_t kMaxTraceEvents = 128;
inline constexpr std::size_t kMaxTraceText = 1024;

}  // namespace ktrial::spec
