// Threads that fork as fast as they can: children with a copy of the mm.
#include "workloads/common/storm.h"

using namespace ktrial::workload;

int main(int argc, char** argv) {
  become_child_if_asked(argc, argv);
  return run_storm(storm_arguments(
      argc, argv, "fork-storm", {Variant::fork, Variant::clone3, Variant::posix_spawn},
      {Behaviour::exit, Behaviour::exec, Behaviour::sleep, Behaviour::spin, Behaviour::killed}));
}
