// Looks for a report's failure: setting after setting, what is promising first, and learns from
// what comes. Once it is seen, measures how often. Decides only; an engine runs the trials.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "harness/engine/engine.h"
#include "harness/reproduce/experiment.h"
#include "harness/stats/rate.h"

namespace ktrial::reproduce {

struct SearchOptions {
  double budget_s = 600;  // of trials' time, begun within it
  int most_trials = 0;    // in all; 0: as the budget allows
  int measure = 5;        // trials after the first that showed it
};

struct Tried {
  std::size_t setting = 0;  // of Experiment::settings
  results::TrialRecord record;
  std::string run;  // its id
  Match match;      // of a failure
  double seconds = 0;
};

enum class End { reproduced, not_seen, inconclusive };

struct Search {
  End end = End::inconclusive;
  std::vector<Tried> trials;
  std::optional<std::size_t> setting;  // that showed it
  int first = 0;                       // judged trials of that setting up to the first that did
  stats::Tally measured;               // the trials after it
  bool cut = false;                    // the budget ended the measuring: its number is not fixed
  double seconds = 0;
  std::string why;  // inconclusive: why

  // Judged trials of a setting, of all for nothing; and of them those that showed the failure.
  stats::Tally tally(std::optional<std::size_t> of = std::nullopt) const;
  // How often the setting shows it, with 95 % confidence; right for how the trials came to an end.
  stats::Interval interval() const;
};

using Tell = std::function<void(const std::string&)>;

// `job` names all but the spec. An Error: interrupted, or no trial can run here.
Result<Search> search(const Experiment& experiment, const run::Job& job, engine::Engine& engine,
                      const SearchOptions& options, const Tell& tell);

// One trial of a spec.
Result<Tried> run_trial(const spec::TrialSpec& spec, const run::Job& job, engine::Engine& engine,
                        const Expected& expected);
bool judged(const Tried& trial);  // pass or fail
bool shows(const Tried& trial);   // the reported failure

}  // namespace ktrial::reproduce
