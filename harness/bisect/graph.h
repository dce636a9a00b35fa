// The commits that may hold the change, and fast sums over who contains whom.
//
// Candidates are the new end and its ancestors, less the old ends and theirs. They
// are numbered in a depth-first order, parents before children, so that what a merge
// brings in is mostly one contiguous interval: the set "ancestors of a merge, less
// those of its first parent" is kept as intervals, and a sum over the ancestors of
// every commit costs O(commits + intervals). A linear history has no intervals at all.
// No ancestor bitsets: 15,000 commits with merges take well under a megabyte.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "harness/base/result.h"

namespace ktrial::bisect {

// One line of history as the caller knows it: a commit hash or a package version.
struct CommitInfo {
  std::string id;
  std::string subject = {};
  std::vector<std::string> parents = {};  // ids; what is not listed itself counts as old
};

class CommitGraph {
 public:
  using Index = std::uint32_t;
  struct Interval {
    Index from, to;  // half open
  };

  // `history` lists parents before children (`git rev-list --topo-order --reverse --parents`).
  // `old_ends` and `new_end` are ids: known to be without and with the change. The ancestors of
  // old ends may be left out of `history`. ErrorKind::usage if an end is unknown, an old end is
  // no ancestor of the new one, ends coincide, an id is double, or the order is wrong.
  static Result<CommitGraph> create(std::vector<CommitInfo> history,
                                    const std::vector<std::string>& old_ends,
                                    const std::string& new_end);
  // Candidates in a row, the oldest first; the last one is the new end.
  static Result<CommitGraph> linear(std::vector<CommitInfo> candidates, std::string old_end);

  Index size() const { return static_cast<Index>(nodes_.size()); }
  Index new_end() const { return size() - 1; }
  // The index that stands for the old ends in evidence: it contains no candidate.
  Index old_end() const { return size(); }

  const std::string& id(Index commit) const;  // old_end() too: the first old end
  const std::string& subject(Index commit) const { return nodes_[commit].subject; }
  // Parents among the candidates; parents that are known to be old are counted only.
  std::span<const Index> parents(Index commit) const { return nodes_[commit].parents; }
  std::size_t old_parents(Index commit) const { return nodes_[commit].old_parents; }
  std::span<const Index> children(Index commit) const { return nodes_[commit].children; }
  Result<Index> find(std::string_view id) const;  // old_end() for any of the old ends

  bool is_linear() const { return intervals_.empty(); }
  bool contains(Index commit, Index candidate) const;  // is `candidate` `commit` or its ancestor?
  // Same commits, same parents, same ends: the same number on every machine.
  std::uint64_t hash() const;

  // out[i] = sum of weights over i and its ancestors; the spans have size() elements.
  template <class T>
  void ancestor_sums(std::span<const T> weights, std::span<T> out) const {
    ancestor_sums(weights, out, {0, size()});
  }
  // The same for the commits of `window` alone, as if all other weights were 0; only a linear
  // history can be cut so, with others the window must be everything.
  template <class T>
  void ancestor_sums(std::span<const T> weights, std::span<T> out, Interval window) const;
  // out[i] = sum of weights over i and its descendants.
  template <class T>
  void descendant_sums(std::span<const T> weights, std::span<T> out) const;

 private:
  struct Node {
    std::string id, subject;
    std::vector<Index> parents, children;
    std::size_t old_parents = 0;
    std::uint32_t first_interval = 0, last_interval = 0;
  };

  void number(const std::vector<CommitInfo>& history, const std::vector<bool>& is_candidate);
  Status find_intervals();
  Index base(Index i) const { return nodes_[i].parents.empty() ? size() : nodes_[i].parents[0]; }

  std::vector<Node> nodes_;
  std::vector<Interval> intervals_;
  std::vector<std::string> old_ids_;
  std::unordered_map<std::string, Index> by_id_;
};

template <class T>
void CommitGraph::ancestor_sums(std::span<const T> weights, std::span<T> out,
                                Interval window) const {
  if (is_linear()) {
    T sum{};
    for (Index i = window.from; i < window.to; ++i) out[i] = sum = sum + weights[i];
    return;
  }
  std::vector<T> before(size() + 1);  // before[i] = sum of weights[0, i)
  for (Index i = 0; i < size(); ++i) before[i + 1] = before[i] + weights[i];
  for (Index i = 0; i < size(); ++i) {
    T sum = weights[i];
    if (base(i) != size()) sum = sum + out[base(i)];
    for (std::uint32_t k = nodes_[i].first_interval; k < nodes_[i].last_interval; ++k)
      sum = sum + (before[intervals_[k].to] - before[intervals_[k].from]);
    out[i] = sum;
  }
}

// The transpose of ancestor_sums, step by step backwards.
template <class T>
void CommitGraph::descendant_sums(std::span<const T> weights, std::span<T> out) const {
  std::ranges::copy(weights, out.begin());
  std::vector<T> rise(is_linear() ? 0 : size() + 1);
  for (Index i = size(); i-- > 0;) {
    if (base(i) != size()) out[base(i)] = out[base(i)] + out[i];
    for (std::uint32_t k = nodes_[i].first_interval; k < nodes_[i].last_interval; ++k) {
      rise[intervals_[k].from] = rise[intervals_[k].from] + out[i];
      rise[intervals_[k].to] = rise[intervals_[k].to] - out[i];
    }
  }
  T level{};
  for (Index i = 0; i < size() && !is_linear(); ++i) {
    level = level + rise[i];
    out[i] = out[i] + level;
  }
}

}  // namespace ktrial::bisect
