#include "harness/campaign/disk.h"

#include "results/store/keep.h"

namespace ktrial::campaign {

Status Disk::keep(const results::RunRecord& run) {
  std::string name;  // of what is worth keeping; empty: all passed
  for (const results::TrialRecord& trial : run.trials) {
    if (trial.verdict.outcome == results::Outcome::fail) name = trial.verdict.signature;
    if (trial.verdict.outcome == results::Outcome::inconclusive && name.empty())
      name = "not judged: " + std::string(trial.verdict.kind.name());
  }
  if (run.directory.empty()) return {};
  if (name.empty()) return keep_passes_ ? Status{} : thin(run.directory, results::Keep::records);
  Kept& kept = kept_[name];
  if (++kept.count <= whole_) return {};
  const std::filesystem::path before = std::exchange(kept.latest, run.directory);
  return before.empty() ? Status{} : thin(before, results::Keep::evidence);
}

}  // namespace ktrial::campaign
