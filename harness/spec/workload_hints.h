// What a workload's description says for those who look for a workload: `touches` and `races` of
// workload.toml. In a header of its own: who runs a workload does not ask.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "harness/spec/workload.h"

namespace ktrial::spec {

struct HintedWorkload {
  WorkloadInfo info;
  // Functions and words (glob(7), lower case) that a report has when this may show its failure.
  std::vector<std::string> touches;
  std::vector<std::pair<std::string, std::string>> races;  // settings that widen a race, each alone
};

Result<HintedWorkload> parse_hinted_workload(std::string_view toml, std::string_view file);
// As list_workloads().
Result<std::vector<HintedWorkload>> list_hinted_workloads(const std::filesystem::path& dir);

}  // namespace ktrial::spec
