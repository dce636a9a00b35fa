// A fix on trial: the same setting without it and with it, in turns, until it is known whether it
// helps. Decides only.
#pragma once

#include "harness/reproduce/search.h"
#include "harness/stats/sequential.h"

namespace ktrial::reproduce {

struct FixOptions {
  double budget_s = 1800;
  int most_pairs = 200;
};

enum class FixEnd {
  fixed,       // the failure came without, and never with it; the difference is no chance
  better,      // rarer, not gone
  not_fixed,   // no difference, or worse
  not_failed,  // it never came without: nothing was tested
  not_known,   // the budget ended
};

struct FixTrial {
  FixEnd end = FixEnd::not_known;
  stats::Known known = stats::Known::not_yet;
  stats::Tally without, with;       // trials that showed the reported failure
  std::vector<std::string> others;  // failures with the fix that are not the reported one
  double seconds = 0;
};

// `setting` shows the failure; its kernel is replaced by each of the two.
Result<FixTrial> try_fix(const spec::TrialSpec& setting, const std::string& without,
                         const std::string& with, const Expected& expected, const run::Job& job,
                         engine::Engine& engine, const FixOptions& options, const Tell& tell);

}  // namespace ktrial::reproduce
