// Commits that cannot be tested: where more of them are to be expected, and what they hide.
#pragma once

#include <vector>

#include "harness/bisect/graph.h"

namespace ktrial::bisect {

class Skips {
 public:
  using Index = CommitGraph::Index;
  explicit Skips(const CommitGraph& graph);  // which must outlive this

  void skip(Index commit);   // cannot be built, or not booted
  void works(Index commit);  // was built

  bool any() const { return skipped_ > 0; }
  bool skipped(Index commit) const { return state_[commit] == kSkipped; }
  // Chance that a commit cannot be tested: 1 if skipped, 0 if built, else it halves with every
  // few steps in the graph from the nearest skipped commit; a long broken stretch reaches further.
  const std::vector<double>& chance() const { return chance_; }
  // The commits that no test can tell from `commit`, itself included, in graph order: exactly
  // the same testable commits contain them.
  std::vector<Index> same_as(Index commit) const;

 private:
  enum : char { kUnknown, kSkipped, kWorks };
  void refresh();

  const CommitGraph* graph_;
  std::vector<char> state_;
  std::vector<double> chance_;
  std::size_t skipped_ = 0;
};

}  // namespace ktrial::bisect
