// The kernel's trace rings read from a paused guest's RAM: what tracefs's
// per_cpu/cpuN/trace would show, also when no CPU answers any more.
//
//   auto rings = read_rings(view);   // view: introspect::KernelView
//   for (const CpuRing& ring : rings->cpus) for (const Event& event : ring.events) ...
//
// The top-level instance (kernel/trace/trace.c: global_trace) only. The layout of its
// structures comes from BTF; how they hang together is kernel/trace/ring_buffer.c's,
// seen the same from 5.10 to 6.19. Sub-buffers of one page only.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "harness/introspect/kernel_view.h"

namespace ktrial::trace {

struct Event {
  unsigned cpu = 0;
  std::uint64_t ns = 0;             // by the trace clock
  std::uint16_t type = 0;           // the event format's id
  int pid = 0;                      // whose task it happened in
  std::span<const std::byte> data;  // in its ring's page
  // A reader (trace_pipe) took it already; it is still there.
  bool consumed = false;
  // Its writer had not finished it: what it says may be stale.
  bool uncommitted = false;
};

struct RingPage {
  std::vector<std::byte> bytes;  // header and data, as trace.dat takes them
  std::uint64_t address = 0;     // of its struct buffer_page
};

// One CPU's ring. Not to be copied: events point into pages.
struct CpuRing {
  CpuRing() = default;
  CpuRing(CpuRing&&) = default;
  CpuRing& operator=(CpuRing&&) = default;

  unsigned cpu = 0;
  // The kernel's own counters, in events.
  std::uint64_t entries = 0;    // ever written
  std::uint64_t overrun = 0;    // of them overwritten
  std::uint64_t read = 0;       // of them consumed
  std::uint64_t dropped = 0;    // never written: no room
  bool writing = false;         // stopped amid a write: the counters may be off by it
  std::vector<RingPage> pages;  // oldest first, the empty ones left out
  std::vector<Event> events;    // oldest first
  std::string trouble;          // not empty: events are missing, and why

  std::uint64_t expected() const { return entries - overrun - read; }
  std::uint64_t found() const;  // neither consumed nor uncommitted
  // Everything is there that the kernel says it should be.
  bool complete() const { return trouble.empty() && (writing || found() == expected()); }
};

struct Rings {
  std::vector<CpuRing> cpus;
  unsigned clock_id = 0;  // index into the kernel's trace_clocks; 0: local
  bool on = false;        // not stopped by anybody when the guest was paused
  std::string trouble;    // not empty: CPUs are missing, and why
  bool partial() const;
};

// Bounds of what is read, whatever the memory says.
inline constexpr unsigned kMaxCpus = 1024;
inline constexpr std::size_t kMaxPages = 16384;      // 64 MiB, of all CPUs
inline constexpr std::size_t kMaxEvents = 1u << 20;  // likewise

// The error says what this kernel lacks: no tracing, no symbols of data, no BTF.
Result<Rings> read_rings(const introspect::KernelView& kernel);

}  // namespace ktrial::trace
