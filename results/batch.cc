#include "results/batch.h"

#include <algorithm>

namespace ktrial::results {

RunRecord merged(const BatchRecord& batch) {
  RunRecord out;
  out.argv = batch.argv;
  out.working_dir = batch.working_dir;
  out.started_at = batch.started_at;
  out.finished_at = batch.finished_at;
  out.state = RunState::finished;
  for (const BatchPart& part : batch.parts) {
    if (!part.problem.empty()) out.state = RunState::interrupted;
    if (!part.run) continue;
    for (TrialRecord trial : part.run->trials) {
      trial.index = static_cast<int>(out.trials.size());
      out.trials.push_back(std::move(trial));
    }
    out.unreadable.insert(out.unreadable.end(), part.run->unreadable.begin(),
                          part.run->unreadable.end());
  }
  out.verdict = overall(out.trials, batch.expected);
  return out;
}

}  // namespace ktrial::results
