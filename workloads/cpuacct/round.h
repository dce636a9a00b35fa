// One round: fresh groups, processes that use CPU time in them, readers meanwhile,
// and then all invariants.
#pragma once

#include <string>
#include <vector>

#include "workloads/common/progress.h"
#include "workloads/cpuacct/groups.h"

namespace ktrial::cpuacct {

struct Plan {
  std::int64_t burn_ms = 2200, readers = 2, hop_ms = 20;
  std::string plant = "none";
  bool adjusted = true;  // see check_split
  std::vector<int> cpus;
};

struct Outcome {
  std::vector<std::string> doubts;  // near invariants that did not hold, one sentence each
  std::uint64_t readings = 0;
  bool levels_compared = false;  // the burns were long enough, and few ticks were lost
};

// Exits with kBroken when an exact invariant does not hold. `readings_before`: what
// progress has counted so far.
Outcome run_round(const Hierarchies& groups, const Plan& plan, workload::Progress& progress,
                  std::uint64_t readings_before);

}  // namespace ktrial::cpuacct
