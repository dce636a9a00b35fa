// What QEMU's monitor says (docs/interop/qemu-qmp-ref of QEMU), whoever carries it here. Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "harness/vm/vm.h"

namespace ktrial::vm {

// If the event says that the machine stands still; not if we `paused` it ourselves.
std::optional<Stopped> stop_told_by(const std::string& event, const nlohmann::json& data,
                                    bool paused);

// Host threads of the vCPUs, of an answer to query-cpus-fast.
std::vector<pid_t> thread_ids(const nlohmann::json& cpus);

}  // namespace ktrial::vm
