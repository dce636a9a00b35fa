// What a thread of the storm does in a turn.
#pragma once

#include "workloads/common/tempest.h"

namespace ktrial::workload {

std::vector<Deed> sched_deeds();

// In chains.cc.
void chain_mutexes(Actor& actor);  // futexes that hand priority on
void ping_pong(Actor& actor);      // wake-ups between two CPUs

// In timers.cc.
void timers(Actor& actor);

// Static keys that the storm switches were so; to be called once, before it.
void note_schedstats();
void restore_schedstats();

}  // namespace ktrial::workload
