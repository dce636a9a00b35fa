// Long paths of the kernel that nothing interrupts but its own cond_resched().
#pragma once

#include "workloads/common/tempest.h"

namespace ktrial::workload {

std::vector<Deed> baits();
// Bytes of one bait: `mib`, or 0: a quarter of what is free, shared by the threads.
void set_bait(std::int64_t mib, std::int64_t threads);

// In files.cc.
void folders(Actor& actor);      // many names, gone at once
void vectors(Actor& actor);      // readv() and writev() of many pieces
void files(Actor& actor);        // a large file of a tmpfs, cut off
void pipes(Actor& actor);        // as large as they may be
void descriptors(Actor& actor);  // thousands, closed at once

std::size_t bait_bytes();

}  // namespace ktrial::workload
