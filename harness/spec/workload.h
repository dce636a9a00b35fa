// A workload's description (workload.toml). Format: docs/spec-format.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/base/result.h"
#include "harness/spec/spec.h"
#include "harness/spec/workload_info.h"

namespace ktrial::spec {

Result<WorkloadInfo> load_workload(const std::filesystem::path& toml_file);
Result<WorkloadInfo> parse_workload(std::string_view toml, std::string_view file);
// Every DIR/*/workload.toml, by name. One bad file fails all, naming it.
Result<std::vector<WorkloadInfo>> list_workloads(const std::filesystem::path& dir);
// By name; the error suggests a near one and lists the rest.
Result<WorkloadInfo> find_workload(const std::filesystem::path& dir, std::string_view name);

// The full parameters: what was set, checked (known, of its type, in range), over
// the defaults. All problems are in the one usage error, with their places
// (TrialSpec::parameter_places), else as --set.
Result<std::map<std::string, std::string>> resolve_parameters(
    const WorkloadInfo& info, const std::map<std::string, std::string>& settings,
    const std::map<std::string, std::string>& places = {});
// Whether the workload can judge this spec at all (CPUs, vsock channel).
Status check_requirements(const WorkloadInfo& info, const TrialSpec& spec);

}  // namespace ktrial::spec
