// A trace as one picture: CPUs as rows, what they ran as bars, forks and exits as small marks,
// findings as lines across. SVG 1.1, which any browser shows. Pure.
#pragma once

#include <string>
#include <vector>

#include "harness/trace/history.h"
#include "harness/trace/writers.h"

namespace ktrial::trace {

struct Span {
  std::uint64_t from_ns = 0, to_ns = 0;  // by the trace clock
};

// The moment that matters, and some time before it: the last event of the CPU that went silent
// first while it was not idle; else the end of the trace.
Span before_stall(const History& history, std::uint64_t window_ns = 100'000'000);

// Below 300 KiB, whatever the trace holds: of bars that are narrower than can be seen, one is
// drawn for many.
std::string to_svg(const History& history, const std::vector<Mark>& marks, Span span);

}  // namespace ktrial::trace
