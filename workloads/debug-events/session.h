// Sessions: fresh clients, one debugger, and all that must hold of them.
#pragma once

#include <cstdint>
#include <string>

#include "workloads/common/progress.h"
#include "workloads/debug-events/connector.h"

namespace ktrial::debug_events {

struct Plan {
  std::int64_t clients = 6, stages = 12, threads = 8, pairs = 6, seed = 1;
  std::string session = "mix", plant = "none";
};

struct Totals {
  std::uint64_t sessions = 0, events = 0, vforks_held = 0, stages = 0, witnessed = 0;
  std::string witness_missing;  // why a session had no second witness; "" if all had
};

// Session number `index`: its kind (with "mix", all in turn), and its randomness, follow
// from it and the seed. Exits with kBroken when something does not hold.
void run_session(const Plan& plan, std::uint64_t index, Connector& connector,
                 workload::Progress& progress, Totals& totals);

}  // namespace ktrial::debug_events
