// The kernel's own counters of trouble.
#pragma once

#include <string>

#include "guest/wire/wire.h"

namespace ktrial::init {

// Those that this kernel has, in a fixed order: `tainted` (a bit mask, see
// admin-guide/tainted-kernels), and counts since boot of warnings, oopses, soft
// and hard lockups, RCU stalls and hung tasks. `root` is put before each path.
wire::Counters read_counters(const std::string& root = {});

}  // namespace ktrial::init
