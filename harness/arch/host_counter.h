// The host's cycle counter.
#pragma once

namespace ktrial::arch {

// Ticks in a millisecond, measured in 20 ms: on x86 the TSC, which TCG shows its guests of x86 as
// theirs. 0 where there is none.
unsigned host_counter_khz();

}  // namespace ktrial::arch
