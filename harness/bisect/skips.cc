#include "harness/bisect/skips.h"

#include <cmath>
#include <deque>
#include <limits>

namespace ktrial::bisect {
namespace {

// The neighbour of a broken commit is most likely broken too, as its mending takes a while.
constexpr double kNeighbour = 0.8;
constexpr double kHalfLife = 2;  // steps, with one skipped commit; grows by one with each

// A number without pattern for each commit (the finaliser of SplitMix64, Steele et al. 2014):
// sums of them tell sets apart.
std::uint64_t mark_of(std::uint64_t i) {
  i += 0x9e3779b97f4a7c15u;
  i = (i ^ (i >> 30)) * 0xbf58476d1ce4e5b9u;
  i = (i ^ (i >> 27)) * 0x94d049bb133111ebu;
  return i ^ (i >> 31);
}

}  // namespace

Skips::Skips(const CommitGraph& graph)
    : graph_(&graph), state_(graph.size(), kUnknown), chance_(graph.size(), 0.0) {}

void Skips::skip(Index commit) {
  if (state_[commit] != kSkipped) ++skipped_;
  state_[commit] = kSkipped;
  refresh();
}

void Skips::works(Index commit) {
  if (state_[commit] == kSkipped) --skipped_;
  state_[commit] = kWorks;
  if (any())
    refresh();
  else
    chance_[commit] = 0;
}

// Breadth first from all skipped commits at once; a commit that works stops the spread.
void Skips::refresh() {
  constexpr auto kFar = std::numeric_limits<std::uint32_t>::max();
  std::vector<std::uint32_t> distance(graph_->size(), kFar);
  std::deque<Index> queue;
  for (Index i = 0; i < graph_->size(); ++i)
    if (state_[i] == kSkipped) {
      distance[i] = 0;
      queue.push_back(i);
    }
  while (!queue.empty()) {
    const Index at = queue.front();
    queue.pop_front();
    auto visit = [&](Index next) {
      if (distance[next] != kFar || state_[next] == kWorks) return;
      distance[next] = distance[at] + 1;
      queue.push_back(next);
    };
    for (const Index parent : graph_->parents(at)) visit(parent);
    for (const Index child : graph_->children(at)) visit(child);
  }
  const double half_life = kHalfLife + static_cast<double>(skipped_) - 1;
  for (Index i = 0; i < graph_->size(); ++i) {
    if (state_[i] == kSkipped)
      chance_[i] = 1;
    else if (distance[i] == kFar)
      chance_[i] = 0;
    else
      chance_[i] = kNeighbour * std::exp2(-(distance[i] - 1.0) / half_life);
  }
}

std::vector<Skips::Index> Skips::same_as(Index commit) const {
  std::vector<std::uint64_t> marks(graph_->size());
  for (Index i = 0; i < graph_->size(); ++i) marks[i] = skipped(i) ? 0 : mark_of(i);
  // The new end contains all: that it is skipped or not tells nothing apart.
  graph_->descendant_sums<std::uint64_t>(marks, marks);
  std::vector<Index> out;
  for (Index i = 0; i < graph_->size(); ++i)
    if (marks[i] == marks[commit]) out.push_back(i);
  return out;
}

}  // namespace ktrial::bisect
