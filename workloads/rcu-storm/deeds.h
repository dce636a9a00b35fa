// What a thread of the storm does in a turn.
#pragma once

#include "workloads/common/tempest.h"

namespace ktrial::workload {

inline constexpr std::size_t kPage = 4096;

std::vector<Deed> rcu_deeds();

void register_for_membarrier(Actor& actor);
std::uint64_t longest_membarrier_us();  // by the wall: a storm makes it long

// In net.cc.
void make_links(Actor& actor);    // a network device, up, down and gone
void load_modules(Actor& actor);  // a module, out and in again

// In faults.cc.
void serve_faults(Actor& actor);  // userfaultfd

}  // namespace ktrial::workload
