#include "harness/bisect/graph.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace ktrial::bisect {
namespace {

using Index = CommitGraph::Index;

std::vector<CommitInfo> random_history(int commits, double merge_share, unsigned seed) {
  std::mt19937_64 random(seed);
  std::vector<CommitInfo> out;
  for (int i = 0; i < commits; ++i) {
    CommitInfo info{.id = "c" + std::to_string(i), .subject = "subject", .parents = {}};
    auto near = [&] {
      return "c" + std::to_string(i - 1 - static_cast<int>(random() % std::min(i, 40)));
    };
    if (i == 0)
      info.parents = {"good"};
    else
      info.parents = {near()};
    if (i > 2 && static_cast<double>(random() % 1000) < merge_share * 1000)
      for (auto more = random() % 3 + 1; more > 0; --more) info.parents.push_back(near());
    out.push_back(std::move(info));
  }
  // One end that reaches every tip.
  CommitInfo end{.id = "end", .subject = "end", .parents = {}};
  std::set<std::string> inner;
  for (const CommitInfo& info : out) inner.insert(info.parents.begin(), info.parents.end());
  for (const CommitInfo& info : out)
    if (!inner.contains(info.id)) end.parents.push_back(info.id);
  out.push_back(std::move(end));
  return out;
}

std::set<Index> ancestors_by_walking(const CommitGraph& graph, Index commit) {
  std::set<Index> seen{commit};
  for (std::vector<Index> todo{commit}; !todo.empty();) {
    const Index at = todo.back();
    todo.pop_back();
    for (const Index parent : graph.parents(at))
      if (seen.insert(parent).second) todo.push_back(parent);
  }
  return seen;
}

TEST(CommitGraphTest, SumsOverAncestorsAndDescendantsMatchAWalk) {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    const auto graph = CommitGraph::create(random_history(150, 0.3, seed), {"good"}, "end");
    ASSERT_TRUE(graph) << graph.error().message;
    ASSERT_EQ(graph->size(), 151u);
    std::vector<std::int64_t> weights(graph->size()), up(graph->size()), down(graph->size());
    for (Index i = 0; i < graph->size(); ++i) weights[i] = 7 * i * i + 1;
    graph->ancestor_sums<std::int64_t>(weights, up);
    graph->descendant_sums<std::int64_t>(weights, down);
    std::vector<std::int64_t> want_down(graph->size());
    for (Index i = 0; i < graph->size(); ++i) {
      const std::set<Index> ancestors = ancestors_by_walking(*graph, i);
      std::int64_t want = 0;
      for (const Index a : ancestors) {
        want += weights[a];
        want_down[a] += weights[i];
      }
      EXPECT_EQ(up[i], want) << "seed " << seed << " commit " << i;
      for (Index b = 0; b < graph->size(); ++b)
        ASSERT_EQ(graph->contains(i, b), ancestors.contains(b));
    }
    EXPECT_EQ(down, want_down) << "seed " << seed;
  }
}

TEST(CommitGraphTest, ParentsComeBeforeChildrenAndTheNewEndLast) {
  const auto graph = CommitGraph::create(random_history(300, 0.4, 5), {"good"}, "end");
  ASSERT_TRUE(graph);
  for (Index i = 0; i < graph->size(); ++i)
    for (const Index parent : graph->parents(i)) EXPECT_LT(parent, i);
  EXPECT_EQ(graph->id(graph->new_end()), "end");
  EXPECT_EQ(graph->id(graph->old_end()), "good");
  EXPECT_EQ(*graph->find("end"), graph->new_end());
  EXPECT_EQ(*graph->find("good"), graph->old_end());
  EXPECT_FALSE(graph->find("nowhere"));
}

TEST(CommitGraphTest, CandidatesAreWhatTheNewEndAddsToAllOldEnds) {
  // a - b - d - f(end);  a - c - e - f;  e is old too: only b, d, f are left.
  const auto graph = CommitGraph::create({{"a", "", {}},
                                          {"b", "", {"a"}},
                                          {"c", "", {"a"}},
                                          {"d", "", {"b"}},
                                          {"e", "", {"c"}},
                                          {"f", "", {"d", "e"}}},
                                         {"a", "e"}, "f");
  ASSERT_TRUE(graph);
  ASSERT_EQ(graph->size(), 3u);
  EXPECT_EQ(graph->id(0), "b");
  EXPECT_EQ(graph->id(1), "d");
  EXPECT_EQ(graph->id(2), "f");
  EXPECT_EQ(graph->old_parents(2), 1u);
  EXPECT_EQ(graph->old_parents(1), 0u);
  EXPECT_TRUE(graph->is_linear());
}

TEST(CommitGraphTest, WrongEndsAndOrdersAreUsageErrorsThatNameTheCommit) {
  const std::vector<CommitInfo> fork = {
      {"a", "", {}}, {"b", "", {"a"}}, {"c", "", {"a"}}, {"d", "", {"c"}}};
  const struct {
    std::vector<CommitInfo> history;
    std::vector<std::string> old_ends;
    std::string new_end, named;
  } cases[] = {
      {fork, {"b"}, "d", "b is not an ancestor of d"},
      {fork, {"zz"}, "d", "zz is not an ancestor"},
      {fork, {"a"}, "zz", "zz is not in the history"},
      {fork, {"d"}, "d", "same commit, d"},
      {fork, {"d"}, "c", "d is not an ancestor of c"},
      {fork, {}, "d", "no commit"},
      {{{"a", "", {"b"}}, {"b", "", {}}}, {"x"}, "a", "a is listed before its parent b"},
      {{{"a", "", {}}, {"a", "", {}}}, {"x"}, "a", "a is listed twice"},
  };
  for (const auto& c : cases) {
    const auto graph = CommitGraph::create(c.history, c.old_ends, c.new_end);
    ASSERT_FALSE(graph) << c.named;
    EXPECT_EQ(graph.error().kind, ErrorKind::usage);
    EXPECT_NE(graph.error().message.find(c.named), std::string::npos) << graph.error().message;
  }
  EXPECT_FALSE(CommitGraph::linear({}, "old"));
}

TEST(CommitGraphTest, HashTellsHistoriesApart) {
  const auto base = CommitGraph::linear({{"a"}, {"b"}, {"c"}}, "old");
  const auto same = CommitGraph::linear({{"a", "another subject"}, {"b"}, {"c"}}, "old");
  const auto joined = CommitGraph::linear({{"ab"}, {"c"}}, "old");
  const auto other_end = CommitGraph::linear({{"a"}, {"b"}, {"c"}}, "older");
  EXPECT_EQ(base->hash(), same->hash());
  EXPECT_NE(base->hash(), joined->hash());
  EXPECT_NE(base->hash(), other_end->hash());
}

}  // namespace
}  // namespace ktrial::bisect
