// What `ktrial reproduce` tells, as text and as JSON. Pure; what a report said is untrusted.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "harness/mail/understand.h"
#include "harness/reproduce/experiment.h"
#include "harness/reproduce/fix.h"
#include "harness/reproduce/search.h"

namespace ktrial::reproduce {

// All that there is to tell; `search` and `fix` once they ran.
struct Story {
  const mail::Understanding& report;
  const Experiment& experiment;
  double budget_s = 600;
  std::string accel;  // "tcg", of the trials; else empty
  const Search* search = nullptr;
  const FixTrial* fix = nullptr;
  std::string fix_name, without, with;  // as given; the kernels of the two sides
  std::string mail_file;                // where the mail was written; empty: nowhere
};

// 0.05 -> "5 %"; small shares with two digits.
std::string percent(double share);

std::string plan_text(const Story& story);
std::string result_text(const Story& story);
// Of a plan, and of a result.
std::string story_json(const Story& story);

// What `ktrial reproduce` ends with: without a fix, 1 says that the failure is there, as for
// `git bisect run`; with one, 0 says that it helps. 125: not known.
int exit_status(const Story& story);

// An answer to the report, ready to be sent: what was run, what came, with numbers.
std::string mail_text(const Story& story);

// The command that goes on: bisects packaged kernels; empty: the report is about none.
std::vector<std::string> bisect_commands(const Story& story);

}  // namespace ktrial::reproduce
