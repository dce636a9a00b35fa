// The monitor's `info registers -a` → samples. Pure. The text format is that of
// x86_cpu_dump_state() in QEMU's target/i386/cpu-dump.c.
#pragma once

#include <string_view>
#include <vector>

#include "harness/vm/vm.h"

namespace ktrial::vm {

// vCPUs whose block cannot be read are left out.
std::vector<VcpuSample> parse_registers(std::string_view text);

}  // namespace ktrial::vm
