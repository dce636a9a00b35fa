// A part of a trace.txt that to_text() wrote. Pure; the text need not be believed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ktrial::trace {

struct Slice {
  std::optional<unsigned> cpu;                  // nothing: all
  std::optional<std::uint64_t> from_us, to_us;  // by the trace clock, both included
};

// The lines about the whole ('#', when `with_summary`), then the events of the slice.
std::string cut(std::string_view text, const Slice& slice, bool with_summary);

// CPU and time of an event's line; nothing: it is none.
struct LinePlace {
  unsigned cpu = 0;
  std::uint64_t us = 0;
  bool operator==(const LinePlace&) const = default;
  std::size_t at = 0;  // where " [CPU]" begins: before it is the task
};
std::optional<LinePlace> place_of(std::string_view line);

// When the last event was; nothing: there is none.
std::optional<std::uint64_t> end_us(std::string_view text);

// The kernel's own stamp in a line of its log, "[   12.345678] ...", in microseconds.
std::optional<std::uint64_t> stamp_us(std::string_view log_line);

// By how much the trace's default clock is ahead of those stamps: the one is the raw clock, the
// other (printk) has an offset that the kernel tells once, "sched_clock: Marking stable (A, B)->
// (C, OFFSET)" (kernel/sched/clock.c). Seconds on an emulated CPU. 0: the log does not tell.
std::int64_t clock_lead_us(std::string_view log);

// A stamp of the log by the trace's clock.
std::uint64_t trace_time_us(std::uint64_t stamp_us, std::int64_t lead_us);

}  // namespace ktrial::trace
