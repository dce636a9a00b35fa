// A run, or a bundle, once more: run, judged, or held against another.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "harness/bundle/console_diff.h"
#include "harness/bundle/difference.h"
#include "harness/bundle/job.h"
#include "harness/bundle/kept.h"
#include "harness/run/event.h"

namespace ktrial::bundle {

// ---- run again

struct Replayed {
  int trial = 0;  // of the kept ones, that was run again
  results::Verdict then;
  results::RunRecord now;
  int same = 0;                       // trials of `now` with the verdict of then
  std::vector<Difference> different;  // of its first trial with that verdict, else its first
  std::vector<std::string> notes;     // what could not be as it was
};
// Blocks as run_job() does, and records what it runs.
Result<Replayed> replay(const Kept& kept, const std::optional<int>& trial, const Choices& choices,
                        const run::Sink& sink);

// ---- judged again, without a machine

struct Judged {
  results::TrialRecord stored, judged;
  std::vector<Difference> changed;   // empty: today's rules say the same
  std::vector<std::string> assumed;  // what was not kept, and what was taken instead
};
struct JudgedRun {
  std::vector<Judged> trials;
  std::vector<std::string> not_judged;  // trials that left too little, and why
  results::Verdict stored, verdict;     // of all of them together
};
// Trials that cannot be judged are passed over; ErrorKind::usage if none can.
Result<JudgedRun> judge_again(const Kept& kept, const std::optional<int>& trial);

// ---- held against another

struct Compared {
  int trial_a = 0, trial_b = 0;
  results::Verdict a, b;
  std::vector<Difference> different;
  std::optional<Parting> console;  // nothing: the consoles say the same
};
Result<Compared> compare(const Kept& a, const Kept& b, const std::optional<int>& trial);

}  // namespace ktrial::bundle
