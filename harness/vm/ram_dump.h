// RAM of a VM whose VMM shares none with us: a copy, taken through the monitor.
#pragma once

#include <chrono>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "harness/vm/vm.h"

namespace ktrial::vm {

// How much of `bytes` of RAM lies below the PCI hole; the rest starts at 4 GiB. As QEMU
// lays it out: pc_q35_init() and microvm_memory_init().
std::uint64_t low_memory(std::uint64_t bytes, Machine machine);

// One monitor command and its answer, within a patience.
using Monitor = std::function<Result<nlohmann::json>(
    const std::string& command, const nlohmann::json& arguments, std::chrono::milliseconds)>;

// By QMP's pmemsave, into nameless files in $TMPDIR or /tmp that take as much room as the
// guest has RAM. The VM should be paused. Takes seconds: at least `patience` is given.
Result<GuestRam> dump_ram(const Monitor& monitor, std::uint64_t bytes, Machine machine,
                          std::chrono::milliseconds patience);

}  // namespace ktrial::vm
