#include "harness/cli/kept_trial.h"

#include <fmt/format.h>

#include "harness/trial/kept_machine.h"

namespace ktrial::cli {
namespace fs = std::filesystem;

Result<results::TrialRecord> kept_trial(const results::RunRecord& run, int wanted,
                                        bool core_will_do) {
  for (const results::TrialRecord& trial : run.trials) {
    std::error_code error;
    const bool kept = fs::exists(trial.artifacts / trial::kMachineJson, error) ||
                      (core_will_do && fs::exists(trial.artifacts / "vmcore", error));
    if (wanted >= 0 ? trial.index == wanted : kept) return trial;
  }
  return usage_error(wanted >= 0 ? fmt::format("run {} has no trial {}", run.id, wanted)
                                 : fmt::format("run {} kept no machine", run.id),
                     "`ktrial run --keep-machine` keeps those of trials that fail");
}

}  // namespace ktrial::cli
