// Long paths that a healthy kernel cuts, so that no CPU is held: what its watchdog waits for.
#include "workloads/common/progress.h"
#include "workloads/lockup-bait/deeds.h"

using namespace ktrial::workload;

int main(int argc, char** argv) {
  std::int64_t mib = 0;
  Tempest tempest{.name = "lockup-bait", .unit = "turns", .deeds = baits()};
  tempest.threads_per_cpu = 1;
  tempest.hotplug_ms = -1;
  tempest.own = {{"mib", Integer{&mib, 0, 4096}}};
  tempest.tell = [&](Progress& progress) {
    set_bait(mib, tempest.threads > 0 ? tempest.threads
                                      : static_cast<std::int64_t>(tempest.cpus.size()));
    progress.tell("bait_mib", [] { return bait_bytes() >> 20; });
  };
  return run_tempest(argc, argv, tempest);
}
