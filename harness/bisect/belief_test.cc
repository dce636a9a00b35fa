#include "harness/bisect/belief.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "harness/bisect/choice.h"
#include "harness/bisect/theory.h"

namespace ktrial::bisect {
namespace {

using Index = CommitGraph::Index;

// m - two sides - a merge: 0 | 1 2 on one side, 3 on the other | 4 merges | 5.
CommitGraph diamond() {
  return *CommitGraph::create({{"a", "", {"old"}},
                               {"b", "", {"a"}},
                               {"c", "", {"b"}},
                               {"d", "", {"a"}},
                               {"e", "", {"c", "d"}},
                               {"f", "", {"e"}}},
                              {"old"}, "f");
}

Counts fails(int n) { return {.fails = n}; }
Counts passes(int n) { return {.passes = n, .exposure_millionths = n * 1'000'000LL}; }

double likelihood(const Belief& belief, std::size_t pair, Index culprit,
                  const std::vector<std::pair<Index, Counts>>& events) {
  double out = 1;
  for (const auto& [commit, counts] : events) {
    const bool in = belief.graph().contains(commit, culprit);
    const double rate = in ? belief.rate_in(pair) : belief.rate_out(pair);
    out *=
        std::pow(rate, static_cast<double>(counts.fails)) * std::pow(1 - rate, counts.exposure());
  }
  return out;
}

// Bayes' rule with nothing clever, for both directions, merges, the old end and censored runs.
TEST(BeliefTest, PosteriorIsBayesRule) {
  const CommitGraph graph = diamond();
  const std::vector<double> weights = {1, 2, 1, 0.5, 1, 3};
  Counts censored{.censored = 1, .exposure_millionths = 400'000};
  const std::vector<std::pair<Index, Counts>> events = {
      {*graph.find("f"), fails(2)}, {*graph.find("c"), passes(5)}, {*graph.find("d"), censored},
      {*graph.find("d"), fails(1)}, {graph.old_end(), passes(3)},  {*graph.find("b"), passes(1)}};
  for (const Direction direction : {Direction::bug, Direction::fix}) {
    Belief belief(graph, direction, rate_prior({}), weights);
    for (const auto& [commit, counts] : events) belief.add(commit, counts);
    std::vector<double> want(graph.size());
    for (Index b = 0; b < graph.size(); ++b)
      for (std::size_t k = 0; k < belief.rates().size(); ++k)
        want[b] += weights[b] * belief.rates()[k].weight * likelihood(belief, k, b, events);
    const double sum = std::accumulate(want.begin(), want.end(), 0.0);
    for (Index b = 0; b < graph.size(); ++b)
      EXPECT_NEAR(belief.posterior()[b], want[b] / sum, 1e-9) << graph.id(b);
  }
}

TEST(BeliefTest, AnotherCrashIsNoEvidenceButItsExposure) {
  const CommitGraph graph = diamond();
  Belief none(graph, Direction::bug, rate_prior({}), {});
  Belief crashed = none;
  crashed.add(2, {.censored = 3});
  EXPECT_EQ(std::vector(none.posterior().begin(), none.posterior().end()),
            std::vector(crashed.posterior().begin(), crashed.posterior().end()));
  Belief lasted = none, passed = none;
  lasted.add(2, {.censored = 2, .exposure_millionths = 1'000'000});
  passed.add(2, passes(1));
  for (Index i = 0; i < graph.size(); ++i)
    EXPECT_DOUBLE_EQ(lasted.posterior()[i], passed.posterior()[i]);
}

TEST(BeliefTest, CandidatesRuledOutByThePriorStayOut) {
  const CommitGraph graph = diamond();
  Belief belief(graph, Direction::bug, rate_prior({.with_bug = 0.9, .without_bug = 0}),
                {1, 0, 0, 0, 0, 1});
  for (int k = 0; k < 2000; ++k) belief.add(1, k % 2 ? fails(1) : passes(1));
  for (Index i = 1; i < 5; ++i) EXPECT_EQ(belief.posterior()[i], 0);
  EXPECT_NEAR(belief.posterior()[0] + belief.posterior()[5], 1, 1e-12);
}

TEST(BeliefTest, RatePriorKeepsTheBugAboveTheBackground) {
  for (const Rates& rates : {Rates{}, Rates{0.05, {}}, Rates{{}, 0.02}, Rates{0.3, 0.02}}) {
    const auto pairs = rate_prior(rates);
    ASSERT_FALSE(pairs.empty());
    for (const RatePair& pair : pairs) {
      EXPECT_LT(pair.without_bug, pair.with_bug);
      EXPECT_GT(pair.weight, 0);
    }
  }
  EXPECT_EQ(rate_prior({0.3, 0.02}).size(), 1u);
  EXPECT_TRUE(rate_prior({0.3, 0.4}).empty());
}

// Expected information, capped as choice.h says, of "at least one fail within m runs" by summing
// over everything.
double bits_by_brute_force(const Belief& belief, Index commit, int runs) {
  double fail = 0, known = 0, contained = 0;
  for (Index b = 0; b < belief.graph().size(); ++b) {
    const bool in = belief.graph().contains(commit, b);
    double given = 0;
    for (std::size_t k = 0; k < belief.rates().size(); ++k) {
      const double rate = in ? belief.rate_in(k) : belief.rate_out(k);
      given += belief.rows()[belief.row_of()[b]].rate_weights[k] * (1 - std::pow(1 - rate, runs));
    }
    fail += belief.posterior()[b] * given;
    known += belief.posterior()[b] * binary_entropy(given);
    contained += in ? belief.posterior()[b] : 0;
  }
  return std::min(binary_entropy(fail) - known, binary_entropy(contained));
}

TEST(ChooserTest, ReportsTheBitsThatBruteForceFinds) {
  const CommitGraph graph = diamond();
  Belief belief(graph, Direction::bug, rate_prior({}), {});
  const Chooser chooser(belief);
  const std::vector<char> built(graph.size());
  const std::vector<double> skip(graph.size());
  belief.add(graph.new_end(), fails(1));
  for (int step = 0; step < 12; ++step) {
    const Choice choice = chooser.choose(belief, {.build = 5, .run = 1}, {built, skip});
    ASSERT_GT(choice.runs, 0);
    EXPECT_NEAR(choice.bits, bits_by_brute_force(belief, choice.commit, choice.runs), 1e-9);
    for (Index i = 0; i < graph.size(); ++i)  // no commit is better at the same length
      EXPECT_LE(bits_by_brute_force(belief, i, 1) / (2.5 + 1), choice.bits / choice.cost + 1e-9);
    belief.add(choice.commit, step % 3 ? passes(choice.runs) : fails(1));
  }
}

TEST(ChooserTest, PrefersWhatIsBuiltWhenBuildsAreDearAndNeverTakesASkippedOne) {
  std::vector<CommitInfo> row;
  for (int i = 0; i < 64; ++i) row.push_back({std::to_string(i)});
  const CommitGraph graph = *CommitGraph::linear(row, "old");
  const Belief belief(graph, Direction::bug, rate_prior({0.3, 0.0}), {});
  const Chooser chooser(belief);
  std::vector<char> built(graph.size());
  std::vector<double> skip(graph.size());
  const Choice free = chooser.choose(belief, {.build = 1000, .run = 1}, {built, skip});
  built[40] = 1;
  EXPECT_EQ(chooser.choose(belief, {.build = 1000, .run = 1}, {built, skip}).commit, 40u);
  built[40] = 0;
  skip[free.commit] = 1;
  EXPECT_NE(chooser.choose(belief, {.build = 1000, .run = 1}, {built, skip}).commit, free.commit);
  std::ranges::fill(skip, 1);
  EXPECT_EQ(chooser.choose(belief, {.build = 1000, .run = 1}, {built, skip}).runs, 0);
}

}  // namespace
}  // namespace ktrial::bisect
