#include "harness/bisect/engine.h"

#include <gtest/gtest.h>

#include <functional>
#include <random>

#include "harness/bisect/fake_row.h"

namespace ktrial::bisect {
namespace {

using Index = CommitGraph::Index;

Counts one(bool failed) {
  return failed ? Counts{.fails = 1} : Counts{.passes = 1, .exposure_millionths = 1'000'000};
}

// Plays the world: `rate` tells how often a run of a commit fails, `broken` what cannot be built.
struct Play {
  std::function<double(Index)> rate;
  std::function<bool(Index)> broken = [](Index) { return false; };
  std::mt19937_64 random{7};
  int tests = 0;

  Step to_the_end(Engine& engine, int most = 5000) {
    std::vector<char> built(engine.graph().size() + 1);
    for (Step step = engine.next(); tests < most; step = engine.next(), ++tests) {
      const auto* test = std::get_if<TestCommit>(&step);
      if (!test) return step;
      EXPECT_GT(test->runs, 0);
      EXPECT_FALSE(test->commit < engine.graph().size() && engine.skips().skipped(test->commit));
      if (!built[test->commit] && broken(test->commit)) {
        engine.skip(test->commit, 10);
        continue;
      }
      if (!built[test->commit]) engine.built(test->commit, 10);
      built[test->commit] = 1;
      const double draw = static_cast<double>(random() >> 11) * 0x1p-53;
      engine.observe(test->commit, one(draw < rate(test->commit)), 1);
    }
    return OutOfBudget{"the play never ends"};
  }
};

TEST(EngineTest, FindsASureBugInAboutAsManyBuildsAsHalvings) {
  const CommitGraph graph = row_of(256);
  Engine engine = *Engine::create(graph, {});
  Play play{[](Index i) { return i >= 77 ? 1.0 : 0.0; }};
  const Step step = play.to_the_end(engine);
  ASSERT_TRUE(std::holds_alternative<Found>(step));
  EXPECT_EQ(std::get<Found>(step).commit, 77u);
  EXPECT_GE(std::get<Found>(step).probability, 0.95);
  EXPECT_LE(engine.spent().builds, 13);
  EXPECT_GT(engine.evidence(77).culprit.fails, 0);
  EXPECT_EQ(engine.evidence(77).parents.fails, 0);
  EXPECT_GT(engine.evidence(77).parents.passes, 0);
}

TEST(EngineTest, FindsTheFixTheOtherWayRound) {
  const CommitGraph graph = row_of(100);
  Engine engine = *Engine::create(graph, {.direction = Direction::fix});
  Play play{[](Index i) { return i >= 60 && i < 100 ? 0.0 : 0.8; }};  // 100: the old end
  const Step step = play.to_the_end(engine);
  ASSERT_TRUE(std::holds_alternative<Found>(step));
  EXPECT_EQ(std::get<Found>(step).commit, 60u);
  const Evidence evidence = engine.evidence(60);
  EXPECT_GT(evidence.parents.fails, 0);
  EXPECT_EQ(evidence.culprit.fails, 0);
  EXPECT_LT(evidence.p_value, 0.1);
}

TEST(EngineTest, FindsEveryCulpritOfAHistoryWithMerges) {
  // Two topics of three commits on a main line of six, merged at m1 and m2.
  const std::vector<CommitInfo> history = {
      {"a", "", {"old"}}, {"b", "", {"a"}},        {"x1", "", {"a"}},       {"x2", "", {"x1"}},
      {"x3", "", {"x2"}}, {"m1", "", {"b", "x3"}}, {"c", "", {"m1"}},       {"y1", "", {"b"}},
      {"y2", "", {"y1"}}, {"y3", "", {"y2"}},      {"m2", "", {"c", "y3"}}, {"d", "", {"m2"}}};
  const CommitGraph graph = *CommitGraph::create(history, {"old"}, "d");
  for (Index culprit = 0; culprit < graph.size(); ++culprit) {
    Engine engine = *Engine::create(graph, {});
    Play play{[&](Index i) { return graph.contains(i, culprit) ? 0.9 : 0.0; }};
    const Step step = play.to_the_end(engine);
    ASSERT_TRUE(std::holds_alternative<Found>(step)) << graph.id(culprit);
    EXPECT_EQ(graph.id(std::get<Found>(step).commit), graph.id(culprit));
  }
}

TEST(EngineTest, ListsWhatSkippedCommitsHide) {
  const CommitGraph graph = row_of(64);
  Engine engine = *Engine::create(graph, {});
  Play play{[](Index i) { return i >= 32 ? 1.0 : 0.0; },
            [](Index i) { return i >= 30 && i <= 33; }};
  const Step step = play.to_the_end(engine);
  ASSERT_TRUE(std::holds_alternative<Undecided>(step));
  EXPECT_EQ(std::get<Undecided>(step).commits, (std::vector<Index>{30, 31, 32, 33, 34}));
  EXPECT_GE(std::get<Undecided>(step).probability, 0.95);
}

TEST(EngineTest, ASkippedNeighbourDoesNotStopTheSearch) {
  const CommitGraph graph = row_of(64);
  Engine engine = *Engine::create(graph, {});
  Play play{[](Index i) { return i >= 40 ? 0.7 : 0.0; },
            [](Index i) { return i >= 28 && i <= 36; }};
  const Step step = play.to_the_end(engine);
  ASSERT_TRUE(std::holds_alternative<Found>(step));
  EXPECT_EQ(std::get<Found>(step).commit, 40u);
}

TEST(EngineTest, SaysThatBothEndsPass) {
  const CommitGraph graph = row_of(8);
  Engine engine = *Engine::create(graph, {.failing_end_max_runs = 25});
  Play play{[](Index) { return 0.0; }};
  const Step step = play.to_the_end(engine);
  ASSERT_TRUE(std::holds_alternative<EndsAgree>(step));
  EXPECT_FALSE(std::get<EndsAgree>(step).both_fail);
  EXPECT_EQ(engine.spent().runs, 25);
}

TEST(EngineTest, SaysThatBothEndsFail) {
  const CommitGraph graph = row_of(8);
  Engine engine = *Engine::create(graph, {.clean_end_runs = 10});
  Play play{[](Index) { return 0.9; }};
  const Step step = play.to_the_end(engine);
  ASSERT_TRUE(std::holds_alternative<EndsAgree>(step));
  EXPECT_TRUE(std::get<EndsAgree>(step).both_fail);
}

TEST(EngineTest, StopsWhenTheBudgetCannotReachTheConfidence) {
  const CommitGraph graph = row_of(1024);
  Engine engine =
      *Engine::create(graph, {.rates = {0.05, 0.0}, .failing_end_fails = 0, .max_runs = 100});
  const Step step = engine.next();
  ASSERT_TRUE(std::holds_alternative<OutOfBudget>(step));
  EXPECT_NE(std::get<OutOfBudget>(step).why.find("100 runs"), std::string::npos);

  Engine enough =
      *Engine::create(graph, {.rates = {0.05, 0.0}, .failing_end_fails = 0, .max_runs = 5000});
  EXPECT_TRUE(std::holds_alternative<TestCommit>(enough.next()));
  Engine no_time =
      *Engine::create(graph, {.rates = {0.05, 0.0}, .failing_end_fails = 0, .max_seconds = 50});
  EXPECT_TRUE(std::holds_alternative<OutOfBudget>(no_time.next()));
}

TEST(EngineTest, TheBudgetHoldsForTheEndsAndTheConfirmationToo) {
  const CommitGraph graph = row_of(8);
  Engine engine = *Engine::create(graph, {.max_runs = 4});
  const Step step = engine.next();
  ASSERT_TRUE(std::holds_alternative<TestCommit>(step));
  EXPECT_EQ(std::get<TestCommit>(step).purpose, Purpose::check_end);
  EXPECT_EQ(std::get<TestCommit>(step).runs, 4);
  Play never{[](Index) { return 0.0; }};
  const Step end = never.to_the_end(engine);
  ASSERT_TRUE(std::holds_alternative<OutOfBudget>(end));
  EXPECT_EQ(std::get<OutOfBudget>(end).why, "all 4 runs are used");
  EXPECT_EQ(engine.spent().runs, 4);

  Engine slow = *Engine::create(graph, {.max_seconds = 10});
  slow.observe(graph.new_end(), one(false), 11);
  ASSERT_TRUE(std::holds_alternative<OutOfBudget>(slow.next()));

  // Whatever the bound: never more runs than it allows, and an answer needs no more of them.
  for (int most = 1; most < 60; ++most) {
    Engine bounded = *Engine::create(graph, {.max_runs = most});
    Play play{[](Index i) { return i >= 5 ? 0.9 : 0.0; }};
    const Step last = play.to_the_end(bounded);
    EXPECT_LE(bounded.spent().runs, most);
    EXPECT_TRUE(std::holds_alternative<Found>(last) || std::holds_alternative<OutOfBudget>(last));
  }
}

// Background fails at good commits mislead for a while only: one fail is not believed at once.
TEST(EngineTest, OneFailDoesNotMakeACulpritWhenTheBackgroundIsUnknown) {
  const CommitGraph graph = row_of(256);
  Engine engine = *Engine::create(graph, {});
  Play play{[](Index i) { return i >= 100 ? 0.9 : 0.02; }};
  const Step step = play.to_the_end(engine);
  ASSERT_TRUE(std::holds_alternative<Found>(step));
  EXPECT_GE(engine.belief().counts(std::get<Found>(step).commit).fails, 2);
}

TEST(EngineTest, SpeculatesOnBothOutcomesOfATest) {
  const CommitGraph graph = row_of(1000);
  Engine engine = *Engine::create(graph, {.rates = {0.9, 0.0}, .failing_end_fails = 0});
  const Step step = engine.next();
  const TestCommit test = std::get<TestCommit>(step);
  const std::vector<Index> next = engine.speculative(test);
  ASSERT_EQ(next.size(), 2u);
  EXPECT_GT(next[0], test.commit);  // it passes: the culprit is later
  EXPECT_LT(next[1], test.commit);  // it fails: it is here or earlier
  engine.observe(test.commit, one(true), 1);
  engine.built(test.commit, 10);
  EXPECT_EQ(std::get<TestCommit>(engine.next()).commit, next[1]);
}

TEST(EngineTest, FollowsThePriorOverCommits) {
  const CommitGraph graph = row_of(1024);
  std::vector<double> weights(1024, 1.0);
  for (Index i = 600; i < 610; ++i) weights[i] = 1000;
  Engine plain = *Engine::create(graph, {});
  Engine told = *Engine::create(graph, {.weights = weights});
  Play a{[](Index i) { return i >= 604 ? 0.9 : 0.0; }}, b{a.rate};
  EXPECT_EQ(std::get<Found>(a.to_the_end(plain)).commit, 604u);
  EXPECT_EQ(std::get<Found>(b.to_the_end(told)).commit, 604u);
  EXPECT_LT(told.spent().builds, plain.spent().builds);
}

TEST(EngineTest, ProjectionFallsToNothing) {
  const CommitGraph graph = row_of(512);
  Engine engine = *Engine::create(graph, {});
  const Projection at_first = engine.projection();
  EXPECT_GT(at_first.runs, at_first.least_runs);
  EXPECT_GT(at_first.seconds, at_first.least_seconds);
  Play play{[](Index i) { return i >= 200 ? 0.9 : 0.0; }};
  ASSERT_TRUE(std::holds_alternative<Found>(play.to_the_end(engine)));
  EXPECT_LT(engine.projection().builds, 0.5);
}

TEST(EngineTest, RefusesSettingsThatMakeNoSense) {
  const CommitGraph graph = row_of(4);
  const Settings cases[] = {
      {.confidence = 1},         {.confidence = 0.3},        {.rates = {0.1, 0.2}},
      {.rates = {1.5, {}}},      {.rates = {{}, 0.99}},      {.costs = {.build = -1}},
      {.costs = {.run = 0}},     {.costs = {.parallel = 0}}, {.weights = {1, 2}},
      {.weights = {0, 0, 0, 0}}, {.weights = {1, -1, 1, 1}},
  };
  for (const Settings& settings : cases) {
    const auto engine = Engine::create(graph, settings);
    ASSERT_FALSE(engine);
    EXPECT_EQ(engine.error().kind, ErrorKind::usage);
  }
}

TEST(EvidenceTest, TextNeverClaimsMoreThanTheTest) {
  const Evidence strong{{.fails = 9, .passes = 22}, {.fails = 0, .passes = 46}, 3.2e-5};
  EXPECT_EQ(strong.text(), "0/46 on parent, 9/31 on culprit, p<1e-4");
  const Evidence fair{{.fails = 2}, {.passes = 10}, 0.0152};
  EXPECT_EQ(fair.text(), "0/10 on parent, 2/2 on culprit, p<0.02");
  const Evidence weak{{.fails = 1, .passes = 1}, {.fails = 0, .passes = 1}, 0.667};
  EXPECT_EQ(weak.text(), "0/1 on parent, 1/2 on culprit, p=0.67");
}

}  // namespace
}  // namespace ktrial::bisect
