// In what two trials differ: kernel, machine, host, verdict. Pure.
#pragma once

#include <string>
#include <vector>

#include "results/record.h"

namespace ktrial::bundle {

struct Difference {
  std::string what;  // "QEMU", "host CPUs", "verdict"
  std::string then, now;
  bool operator==(const Difference&) const = default;
};

// A trial and the run that it is of.
struct Side {
  const results::RunRecord& run;
  const results::TrialRecord& trial;
};

// In an order for people: the verdict first. What one side does not know is no difference.
std::vector<Difference> differences(const Side& then, const Side& now);

// The same failure, or the same outcome of another kind.
bool same_verdict(const results::Verdict& then, const results::Verdict& now);
// "fail \"INFO: ...\" (stall:mm_get_cid)", "pass", "inconclusive (no_boot)". Untrusted text.
std::string in_short(const results::Verdict& verdict);

// What of a record's judgement another judgement changes; empty: nothing.
std::vector<Difference> changes(const results::TrialRecord& stored,
                                const results::TrialRecord& judged);

}  // namespace ktrial::bundle
