// What a workload says of itself, as plain values.
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

namespace ktrial::spec {

enum class ParameterType { integer, string, boolean };

struct Parameter {
  std::string name;
  ParameterType type = ParameterType::string;
  std::string default_value;             // as the workload would be given it
  std::optional<std::int64_t> min, max;  // of an integer
  std::vector<std::string> choices;      // of a string; empty: any
  std::string help;
};

// What the host does while the workload runs.
struct HostAction {
  std::string action;          // "vsock-connect"
  std::string port_parameter;  // the parameter that holds the guest's port
};

struct WorkloadInfo {
  std::string name;
  std::string summary;
  std::vector<std::string> stresses;  // kernel areas
  std::vector<std::string> kconfig;   // "CONFIG_X=y" that the kernel must have
  std::vector<std::string> modules;  // loaded before it starts, when the kernel has them as modules
  int min_cpus = 1;
  bool needs_vsock = false;
  bool patches_code = false;  // of the running kernel; under TCG all vCPUs then share one thread
  std::string invariant;      // what a healthy kernel upholds
  std::string progress;       // the unit that progress counts
  double stall_after_s = 10;  // no progress for so long: stalled (unscaled)
  std::optional<double> default_duration_s;
  std::vector<Parameter> parameters;
  std::optional<HostAction> host;
  std::filesystem::path directory;  // where workload.toml lies
  std::vector<WorkloadInfo> parts;  // of "A+B", which run beside each other; else none
};

}  // namespace ktrial::spec
