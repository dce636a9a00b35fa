// What a failing run's trace has that passing ones have not. Pure.
#pragma once

#include <string>
#include <vector>

#include "harness/trace/history.h"

namespace ktrial::trace {

// One thing that traces do, names without their numbers ("kworker/N:N"): an event, a switch
// from one task to another, a task that leaves in state D, a fork, a child that never ran, a
// function called by another.
struct Trait {
  std::string what;
  std::uint64_t failing = 0, passing = 0;       // how often, all passing traces together
  double failing_share = 0, passing_share = 0;  // of all traits of its sort
  // How unlikely the two shares are by chance: Dunning's log-likelihood ratio G2, "Accurate
  // Methods for the Statistics of Surprise and Coincidence" (1993); above 11: one in a thousand.
  double surprise = 0;
  std::uint64_t last_ns = 0;  // of the failing trace, where it was seen last
  unsigned last_cpu = 0;
};

struct Diff {
  std::vector<Trait> only_failing;  // never seen when it passes; the most surprising first
  std::vector<Trait> only_passing;
  std::vector<Trait> shifted;  // seen in both, as often as not by chance
  std::uint64_t failing_events = 0, passing_events = 0;
  std::size_t passing_traces = 0;
  std::uint64_t end_ns = 0;  // of the failing trace
};

// The part from the workload's first exec on; all, if none is seen. Booting is of no interest.
History of_workload(const History& history);

Diff compare(const History& failing, const std::vector<History>& passing);

// For people, at most `most` lines of each list.
std::string to_text(const Diff& diff, std::size_t most = 12);

// "kworker/u8:3" -> "kworker/uN:N".
std::string without_numbers(std::string_view name);

}  // namespace ktrial::trace
