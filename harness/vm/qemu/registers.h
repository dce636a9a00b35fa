// The monitor's `info registers -a` → samples. Pure. The text format is that of
// QEMU's cpu_dump_state() for the guest's processor.
#pragma once

#include <string_view>
#include <vector>

#include "harness/vm/vm.h"

namespace ktrial::vm {

// vCPUs whose block cannot be read are left out.
std::vector<VcpuSample> parse_registers(std::string_view text, const arch::RegisterWords& words);

}  // namespace ktrial::vm
