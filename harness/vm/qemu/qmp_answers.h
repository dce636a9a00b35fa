// What QEMU's monitor (docs/interop/qemu-qmp-ref of QEMU) and its stderr say, whoever carries it
// here. Pure.
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

// Of its stderr, what may say why it ended: its lines but for warnings.
std::string without_warnings(std::string_view said);

}  // namespace ktrial::vm
