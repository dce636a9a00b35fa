// All that a scheduler is asked for from user space, mixed by a seed.
#include "workloads/sched-storm/deeds.h"

using namespace ktrial::workload;

int main(int argc, char** argv) {
  Tempest tempest{.name = "sched-storm", .unit = "turns", .deeds = sched_deeds()};
  note_schedstats();
  tempest.judge = [](const Tempest&) {
    restore_schedstats();
    return std::string();
  };
  return run_tempest(argc, argv, tempest);
}
