#pragma once

#include <string>

#include "results/record.h"

namespace ktrial::results {

// One line of a list of runs.
struct RunSummary {
  std::string id;
  RunState state = RunState::running;
  Outcome outcome = Outcome::inconclusive;
  std::string title, signature, kernel, workload, started_at;
  int passed = 0, failed = 0, inconclusive = 0;  // trials
  bool operator==(const RunSummary&) const = default;
};

}  // namespace ktrial::results
