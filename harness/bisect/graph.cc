#include "harness/bisect/graph.h"

#include <queue>

namespace ktrial::bisect {
namespace {

using Index = CommitGraph::Index;

// More than this is no history that people made; it bounds memory at 32 MB.
constexpr std::size_t kMaxIntervals = 4u << 20;

using Positions = std::unordered_map<std::string, std::size_t>;

Result<Positions> positions_of(const std::vector<CommitInfo>& history) {
  Positions out;
  out.reserve(history.size());
  for (std::size_t i = 0; i < history.size(); ++i)
    if (!out.emplace(history[i].id, i).second)
      return usage_error("commit " + history[i].id + " is listed twice in the history");
  for (std::size_t i = 0; i < history.size(); ++i)
    for (const std::string& parent : history[i].parents)
      if (auto it = out.find(parent); it != out.end() && it->second >= i)
        return usage_error("commit " + history[i].id + " is listed before its parent " + parent,
                           "list parents first, as git rev-list --topo-order --reverse does");
  return out;
}

// `start` and all its ancestors; positions are topological, so one backward sweep will do.
std::vector<bool> ancestors_of(const std::vector<CommitInfo>& history, const Positions& positions,
                               const std::vector<std::string>& start) {
  std::vector<bool> seen(history.size());
  for (const std::string& id : start)
    if (auto it = positions.find(id); it != positions.end()) seen[it->second] = true;
  for (std::size_t i = history.size(); i-- > 0;) {
    if (!seen[i]) continue;
    for (const std::string& parent : history[i].parents)
      if (auto it = positions.find(parent); it != positions.end()) seen[it->second] = true;
  }
  return seen;
}

// An old end must be an ancestor of the new one: listed among them, or a parent of one of them.
Status check_old_ends(const std::vector<CommitInfo>& history, const Positions& positions,
                      const std::vector<bool>& below_new, const std::vector<std::string>& old_ends,
                      const std::string& new_end) {
  if (old_ends.empty()) return usage_error("no commit without the change was named");
  bool touches = false;
  for (const std::string& id : old_ends) {
    if (id == new_end)
      return usage_error("both ends are the same commit, " + id,
                         "name a commit with the bug and one without it");
    const auto it = positions.find(id);
    if (it != positions.end() && !below_new[it->second])
      return usage_error(id + " is not an ancestor of " + new_end,
                         "name a common ancestor instead (git merge-base " + id + " " + new_end +
                             ") and test it first");
    touches = touches || it != positions.end();
  }
  for (std::size_t i = 0; i < history.size() && !touches; ++i)
    for (const std::string& parent : history[i].parents)
      touches = touches || (below_new[i] && std::ranges::find(old_ends, parent) != old_ends.end());
  if (!touches)
    return usage_error(old_ends[0] + " is not an ancestor of " + new_end,
                       "check that both are on one line of history");
  return {};
}

}  // namespace

Result<CommitGraph> CommitGraph::create(std::vector<CommitInfo> history,
                                        const std::vector<std::string>& old_ends,
                                        const std::string& new_end) {
  const Positions positions = KTRIAL_TRY(positions_of(history));
  if (!positions.contains(new_end))
    return usage_error("commit " + new_end + " is not in the history");
  const std::vector<bool> below_new = ancestors_of(history, positions, {new_end});
  KTRIAL_TRY(check_old_ends(history, positions, below_new, old_ends, new_end));
  std::vector<bool> is_candidate = ancestors_of(history, positions, old_ends);
  for (std::size_t i = 0; i < history.size(); ++i)
    is_candidate[i] = below_new[i] && !is_candidate[i];
  if (!is_candidate[positions.at(new_end)])
    return usage_error(new_end + " is an ancestor of a commit named as its opposite",
                       "swap the two ends");
  CommitGraph graph;
  graph.old_ids_ = old_ends;
  graph.number(history, is_candidate);
  KTRIAL_TRY(graph.find_intervals());
  return graph;
}

Result<CommitGraph> CommitGraph::linear(std::vector<CommitInfo> candidates, std::string old_end) {
  if (candidates.empty()) return usage_error("there is nothing between the two ends");
  for (std::size_t i = 0; i < candidates.size(); ++i)
    candidates[i].parents = {i == 0 ? old_end : candidates[i - 1].id};
  const std::string new_end = candidates.back().id;
  return create(std::move(candidates), {std::move(old_end)}, new_end);
}

// Depth first, first parents first, a commit after all its parents: the commits that a merge
// brings in stand together, just before it.
void CommitGraph::number(const std::vector<CommitInfo>& history,
                         const std::vector<bool>& is_candidate) {
  std::unordered_map<std::string_view, std::size_t> position;
  std::size_t top = 0;
  for (std::size_t i = 0; i < history.size(); ++i)
    if (is_candidate[i]) position[history[i].id] = top = i;  // the new end is the last of them
  struct Visit {
    std::size_t commit, next_parent;
  };
  std::vector<bool> visited(history.size());
  std::vector<Visit> stack{{top, 0}};
  visited[top] = true;
  while (!stack.empty()) {
    Visit& visit = stack.back();
    const CommitInfo& info = history[visit.commit];
    if (visit.next_parent < info.parents.size()) {
      const auto it = position.find(info.parents[visit.next_parent++]);
      if (it == position.end() || visited[it->second]) continue;
      visited[it->second] = true;
      stack.push_back({it->second, 0});
      continue;
    }
    stack.pop_back();
    Node node;
    node.id = info.id;
    node.subject = info.subject;
    for (const std::string& parent : info.parents) {
      const auto it = position.find(parent);
      if (it == position.end())
        ++node.old_parents;
      else if (const Index index = by_id_.at(parent);
               std::ranges::find(node.parents, index) == node.parents.end())
        node.parents.push_back(index);
    }
    const Index self = size();
    by_id_.emplace(info.id, self);
    nodes_.push_back(std::move(node));
    for (const Index parent : nodes_[self].parents) nodes_[parent].children.push_back(self);
  }
}

// For every merge: walk down from its parents, newest first, until nothing is left that only
// the other parents reach (as git's paint-down does); collect those as intervals.
Status CommitGraph::find_intervals() {
  constexpr std::uint8_t kBase = 1, kOther = 2;
  std::vector<std::uint8_t> colour(size());
  std::vector<Index> touched, brought;
  for (Index merge = 0; merge < size(); ++merge) {
    Node& node = nodes_[merge];
    node.first_interval = node.last_interval = static_cast<std::uint32_t>(intervals_.size());
    if (node.parents.size() < 2) continue;
    std::priority_queue<Index> queue;
    std::size_t open = 0;  // queued commits that only the other parents reach so far
    auto reach = [&](Index commit, std::uint8_t with) {
      const std::uint8_t old = colour[commit];
      if ((old | with) == old) return;
      if (old == 0) {
        queue.push(commit);
        touched.push_back(commit);
      }
      colour[commit] = old | with;
      open += (colour[commit] == kOther);
      open -= (old == kOther);
    };
    for (std::size_t k = 0; k < node.parents.size(); ++k)
      reach(node.parents[k], k == 0 ? kBase : kOther);
    while (open > 0) {
      const Index commit = queue.top();
      queue.pop();
      if (colour[commit] == kOther) {
        --open;
        brought.push_back(commit);
      }
      for (const Index parent : nodes_[commit].parents) reach(parent, colour[commit]);
    }
    for (std::size_t k = 0; k < brought.size(); ++k) {  // descending
      if (k > 0 && brought[k] + 1 == intervals_.back().from)
        intervals_.back().from = brought[k];
      else
        intervals_.push_back({brought[k], brought[k] + 1});
    }
    node.last_interval = static_cast<std::uint32_t>(intervals_.size());
    if (intervals_.size() > kMaxIntervals)
      return usage_error("the history is too tangled: its merges bring in too many pieces",
                         "narrow the range between the two ends");
    for (const Index commit : touched) colour[commit] = 0;
    touched.clear();
    brought.clear();
  }
  return {};
}

const std::string& CommitGraph::id(Index commit) const {
  return commit == old_end() ? old_ids_[0] : nodes_[commit].id;
}

Result<Index> CommitGraph::find(std::string_view id) const {
  if (const auto it = by_id_.find(std::string(id)); it != by_id_.end()) return it->second;
  if (std::ranges::find(old_ids_, id) != old_ids_.end()) return old_end();
  return usage_error("commit " + std::string(id) + " is not between the two ends");
}

bool CommitGraph::contains(Index commit, Index candidate) const {
  if (commit == old_end() || candidate > commit) return false;
  std::vector<bool> seen(commit + 1);
  seen[commit] = true;
  for (Index i = commit; i > candidate; --i) {
    if (!seen[i]) continue;
    for (const Index parent : nodes_[i].parents) seen[parent] = true;
  }
  return seen[candidate];
}

// FNV-1a (Fowler, Noll, Vo) over ids, parents and ends.
std::uint64_t CommitGraph::hash() const {
  std::uint64_t value = 14695981039346656037u;
  auto mix = [&](std::string_view text) {
    for (const char c : text) value = (value ^ static_cast<unsigned char>(c)) * 1099511628211u;
    value = (value ^ 0xffu) * 1099511628211u;  // no text holds 0xff as its end mark
  };
  for (const std::string& old_id : old_ids_) mix(old_id);
  for (const Node& node : nodes_) {
    mix(node.id);
    for (const Index parent : node.parents) mix(nodes_[parent].id);
  }
  return value;
}

}  // namespace ktrial::bisect
