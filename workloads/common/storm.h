// The storm that fork-storm and vfork-storm are: processes, each with threads,
// each of which starts one child at a time and checks how it ended. A process
// lives for a generation, then a fresh one (a fresh mm) takes its place.
#pragma once

#include <cstdint>
#include <vector>

#include "workloads/common/child.h"

namespace ktrial::workload {

struct StormPlan {
  const char* name;                 // of the workload
  std::vector<Variant> variants;    // picked at random
  std::vector<Behaviour> children;  // picked at random
  std::int64_t processes = 2;
  std::int64_t threads = 0;  // of each process; 0: varies about the number of CPUs, N/2 to 2N
  std::int64_t hold_ms = 5;  // at most, of a sleeping, spinning or to be killed child
  std::int64_t generation_ms = 200;
  std::int64_t seed = 1;
  double duration_s = 5;
};

// Runs it, shows progress, prints the sum, returns kHealthy; exits with kBroken
// or kCannotRun (and the line that says why) on anything else.
int run_storm(const StormPlan& plan);

// The command line of both. The first of each list of names is "mix", the rest
// name the variants and behaviours given.
StormPlan storm_arguments(int argc, char** argv, const char* name, std::vector<Variant> variants,
                          std::vector<Behaviour> children);

}  // namespace ktrial::workload
