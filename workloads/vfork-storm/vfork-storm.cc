// Threads that vfork as fast as they can: children that live in the mm of their
// parent, but in none of its thread lists, until they exec, exit or are killed.
#include "workloads/common/storm.h"

using namespace ktrial::workload;

int main(int argc, char** argv) {
  become_child_if_asked(argc, argv);
  return run_storm(storm_arguments(
      argc, argv, "vfork-storm",
      {Variant::vfork, Variant::clone_vfork, Variant::clone3_vfork, Variant::posix_spawn},
      {Behaviour::exec, Behaviour::exit, Behaviour::sleep, Behaviour::spin, Behaviour::killed}));
}
