// How many CPUs ktrial may keep busy.
#pragma once

#include <filesystem>
#include <optional>
#include <string_view>

namespace ktrial {

// The CPUs that this process may run on, but no more than its cgroup has time for; at least 1.
// A container on a large host sees all the host's CPUs, and gets two.
int host_cpus();

// What the cgroups allow, in CPUs: the least `cpu.max` (version 2) or `cpu.cfs_quota_us` (version
// 1) from a process's group upwards; nothing: no limit. `groups` is /proc/PID/cgroup, `mounted` the
// folder that the hierarchies are mounted in.
std::optional<double> cgroup_cpus(std::string_view groups, const std::filesystem::path& mounted);

}  // namespace ktrial
