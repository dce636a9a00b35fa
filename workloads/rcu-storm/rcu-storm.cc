// All that makes grace periods and callbacks from user space, mixed by a seed.
#include "workloads/common/clock.h"
#include "workloads/common/progress.h"
#include "workloads/rcu-storm/deeds.h"

using namespace ktrial::workload;

int main(int argc, char** argv) {
  Tempest tempest{.name = "rcu-storm", .unit = "grace periods", .deeds = rcu_deeds()};
  tempest.prepare = register_for_membarrier;
  tempest.tell = [&tempest](Progress& progress) {
    const std::int64_t begun = now_ns();
    progress.tell("grace_periods_per_minute",
                  [&tempest, begun] { return per_minute(tempest.done, begun); });
    progress.tell("longest_membarrier_us", longest_membarrier_us);
  };
  return run_tempest(argc, argv, tempest);
}
