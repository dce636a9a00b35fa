// A failure that was seen once, by chance, looked for in deterministic machines: seed after seed,
// in a few variants of the guest. Its twin comes back bit for bit. Decides only; an engine runs
// the trials.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "harness/engine/engine.h"
#include "harness/spec/workload_hints.h"

namespace ktrial::reproduce {

// One way to be another run of the same: all but the seed.
struct TwinVariant {
  spec::TrialSpec spec;  // deterministic
  std::string what;      // "as it ran, shift 4"
};
// Best first. `hinted`: the workload's own hints; null: a command, or it has none.
std::vector<TwinVariant> twin_variants(const spec::TrialSpec& failed,
                                       const spec::HintedWorkload* hinted);

struct TwinOptions {
  double budget_s = 600;  // by the clock; trials are begun within it
  int most_trials = 0;    // 0: as the budget allows
  int at_once = 1;
  std::function<double()> now;  // seconds
};

struct TwinTrial {
  std::string what;  // the variant
  spec::TrialSpec spec;
  std::optional<results::TrialRecord> record;  // nothing: it was lost
  std::string run, problem;
};

struct TwinSearch {
  std::optional<TwinTrial> twin;
  std::vector<TwinTrial> trials;  // in the order of their ends
  double seconds = 0;
};

// Whether it is that failure, and was seen twice, bit for bit.
bool is_twin(const results::TrialRecord& record, const std::string& signature);

// An Error: interrupted, or no trial can run here.
Result<TwinSearch> find_twin(const std::vector<TwinVariant>& variants, const std::string& signature,
                             const run::Job& job, engine::Engine& engine,
                             const TwinOptions& options,
                             const std::function<void(const std::string&)>& tell);

}  // namespace ktrial::reproduce
