// A made-up history for tests: v0, v1, ... in a row, after "old".
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "harness/bisect/graph.h"

namespace ktrial::bisect {

inline CommitGraph row_of(int commits) {
  std::vector<CommitInfo> row;
  for (int i = 0; i < commits; ++i) row.push_back({"v" + std::to_string(i)});
  return *CommitGraph::linear(std::move(row), "old");
}

}  // namespace ktrial::bisect
