#include "harness/bisect/beliefs.h"

#include <algorithm>

namespace ktrial::bisect {
namespace {

// Of the doubt allowed, so much is left once the failure has shown without the bug: while both
// rates are learned the posterior is then surer than it is right (.95 claimed, .91 right), and
// asking for this much brings that back (simulate.h).
constexpr double kDoubtWithBackground = 0.1;
// The same while only the rate with the bug is learned (.95 claimed, .935 right).
constexpr double kDoubtWithRate = 0.7;
// Of the doubt allowed, so much may be that the fails seen are background.
constexpr double kDoubtMisled = 0.6;
// As sure as this of a commit, the search turns to what the other belief doubts.
constexpr double kAlmostSure = 0.9;

}  // namespace

Beliefs::Beliefs(const CommitGraph& graph, Direction direction, const Rates& given,
                 const std::vector<double>& weights, double confidence)
    : bug_(direction == Direction::bug),
      rate_given_(given.with_bug.has_value()),
      background_given_(given.without_bug.has_value()),
      confidence_(confidence),
      search_(graph, direction, rate_prior(given, Background::rare), weights),
      suspicious_(graph, direction, rate_prior(given, Background::suspected), weights) {}

void Beliefs::add(Index commit, const Counts& counts) {
  search_.add(commit, counts);
  suspicious_.add(commit, counts);
}

const Belief& Beliefs::leading() const {
  const bool almost = search_.posterior()[search_.best()] >= std::min(kAlmostSure, confidence_);
  return almost ? suspicious_ : search_;
}

bool Beliefs::agreed(Index culprit) const {
  const double allowed = doubt(culprit);
  if (search_.posterior()[culprit] < 1 - allowed) return false;
  return background_given_ ||
         misled(culprit) <= std::min(allowed, kDoubtMisled * (1 - confidence_));
}

double Beliefs::doubt(Index culprit) const {
  const double allowed = 1 - confidence_;
  if (background_given_) return rate_given_ ? allowed : kDoubtWithRate * allowed;
  if (background_fails(culprit) == 0) return allowed;
  return kDoubtWithBackground * allowed;
}

// Such fails are at the commit itself and further to the failing end: the culprit is there, too.
double Beliefs::misled(Index culprit) const {
  const CommitGraph& graph = search_.graph();
  std::vector<double> sums(graph.size());
  if (bug_)
    graph.ancestor_sums<double>(suspicious_.posterior(), sums);
  else
    graph.descendant_sums<double>(suspicious_.posterior(), sums);
  return 1 - sums[culprit];
}

// Fails on the side that has none if `culprit` made the change.
std::int64_t Beliefs::background_fails(Index culprit) const {
  const CommitGraph& graph = search_.graph();
  std::int64_t fails = bug_ ? search_.counts(graph.old_end()).fails : 0;
  for (Index i = 0; i < graph.size(); ++i)
    if (search_.counts(i).fails > 0 && graph.contains(i, culprit) != bug_)
      fails += search_.counts(i).fails;
  return fails;
}

}  // namespace ktrial::bisect
