// Which commit to run next, and how often: the most information for its cost.
//
// For a commit and a number of runs that stop at the first fail, the outcome "no fail" or "a
// fail" tells I = H(outcome) - H(outcome | culprit) bits about the culprit, counted up to
// H(commit contains the culprit): what it tells by way of the rates alone has no value here. As the
// unknown rates are summed over, a pass at an uncertain rate counts for as little as it should.
// Sums over ancestors give I for all commits at once, so a choice costs
// O((commits + intervals) x lengths + rows x rates x lengths).
#pragma once

#include <span>
#include <vector>

#include "harness/bisect/belief.h"

namespace ktrial::bisect {

// In any one unit, seconds in real life. `parallel` runs of one commit go on at a time.
struct Costs {
  double build = 10, run = 1;
  int parallel = 1;
};

struct Choice {
  CommitGraph::Index commit = 0;
  int runs = 0;     // at most, fewer if one fails; 0: nothing that can be run tells anything
  double bits = 0;  // expected information, skip risk included
  double cost = 0;  // expected, with the share of a build that is this test's to pay
};

struct Choosable {
  std::span<const char> built;          // per commit: no build is needed
  std::span<const double> skip_chance;  // per commit: that it cannot be tested; 1: known so
};

class Chooser {
 public:
  explicit Chooser(const Belief& belief);  // looks at its rates only; for beliefs that share them
  Choice choose(const Belief& belief, const Costs& costs, const Choosable& what) const;

 private:
  // One number of runs, seen through every pair of rates: the chance of at least one fail and
  // the mean number of runs, at a commit with the change and at one without it.
  struct Length {
    int runs = 0;
    std::vector<double> fail_in, fail_out, runs_in, runs_out;
  };
  struct RowTerms;
  static RowTerms terms_of(const Belief::Row& row, const Length& length);

  std::vector<Length> lengths_;
};

}  // namespace ktrial::bisect
