// RAM of a VM whose VMM shares none with us: a copy, taken through the monitor.
#pragma once

#include <chrono>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "harness/vm/vm.h"

namespace ktrial::vm {

// One monitor command and its answer, within a patience.
using Monitor = std::function<Result<nlohmann::json>(
    const std::string& command, const nlohmann::json& arguments, std::chrono::milliseconds)>;

// By QMP's pmemsave, into nameless files in $TMPDIR or /tmp that take as much room as the
// guest has RAM. The VM should be paused. Takes seconds: at least `patience` is given.
Result<GuestRam> dump_ram(const Monitor& monitor, std::uint64_t bytes, const arch::Machine& machine,
                          std::chrono::milliseconds patience);

}  // namespace ktrial::vm
