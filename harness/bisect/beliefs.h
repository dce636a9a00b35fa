// The same runs seen through two priors over the rate without the bug.
//
// A fail that comes without the bug, at a commit before the culprit, leads the search astray, and
// little contradicts it there soon. To suspect that of every fail is dear where it is not so. So
// the belief that such fails are rare leads the search, and its answer must stand up to the one
// that suspects them. (If the rate is given, both are the same.)
#pragma once

#include "harness/bisect/belief.h"

namespace ktrial::bisect {

class Beliefs {
 public:
  using Index = CommitGraph::Index;
  // `graph` must outlive this. The answer is wanted with `confidence`, in [0.5, 1).
  Beliefs(const CommitGraph& graph, Direction direction, const Rates& given,
          const std::vector<double>& weights, double confidence);

  void add(Index commit, const Counts& counts);

  const Belief& search() const { return search_; }
  // What the next test should tell about: once search() is all but sure of a commit, the doubt.
  const Belief& leading() const;
  // No prior objects to this commit as the answer.
  bool agreed(Index culprit) const;

 private:
  double doubt(Index culprit) const;   // how much of it an answer may leave
  double misled(Index culprit) const;  // chance that the fails that speak for it are background
  std::int64_t background_fails(Index culprit) const;

  bool bug_, rate_given_, background_given_;
  double confidence_;
  Belief search_, suspicious_;
};

}  // namespace ktrial::bisect
