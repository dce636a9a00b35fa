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
};
std::optional<LinePlace> place_of(std::string_view line);

// When the last event was; nothing: there is none.
std::optional<std::uint64_t> end_us(std::string_view text);

// The kernel's own stamp in a line of its log, "[   12.345678] ...", in microseconds.
// printk and the trace's default clock go by the same clock.
std::optional<std::uint64_t> stamp_us(std::string_view log_line);

}  // namespace ktrial::trace
