// "A+B": workloads that run beside each other in one guest, each with the settings that it knows.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "harness/base/result.h"
#include "harness/spec/workload_info.h"

namespace ktrial::spec {

inline bool is_combination(std::string_view name) {
  return name.find('+') != std::string_view::npos;
}

// What they need and stress together; `parts` are the workloads themselves. ErrorKind::usage for a
// name that is not there, twice there, or a second one that the host has to speak to.
using FindWorkload = std::function<Result<WorkloadInfo>(std::string_view name)>;
Result<WorkloadInfo> find_combination(std::string_view name, const FindWorkload& find);

// A setting of several parts goes to each of them: one seed for all.
std::map<std::string, std::string> settings_of(const WorkloadInfo& part,
                                               const std::map<std::string, std::string>& settings);

}  // namespace ktrial::spec
