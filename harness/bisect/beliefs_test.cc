#include "harness/bisect/beliefs.h"

#include <gtest/gtest.h>

#include <random>

#include "harness/bisect/fake_row.h"

namespace ktrial::bisect {
namespace {

using Index = CommitGraph::Index;

Counts runs(int fails, int passes) {
  return {.fails = fails, .passes = passes, .exposure_millionths = passes * 1'000'000LL};
}

// The bug showed at the last commit, and one time at the one before, where it may not be. For a
// fix the same story, told backwards.
struct OneFail {
  explicit OneFail(Direction direction, const Rates& given = {})
      : beliefs(graph, direction, given, {}, 0.95) {
    const bool bug = direction == Direction::bug;
    beliefs.add(bug ? 2 : graph.old_end(), runs(3, 27));
    beliefs.add(failing = bug ? 1 : 0, runs(1, 3));
    beliefs.add(bug ? 0 : 1, runs(0, 60));
  }
  const CommitGraph graph = row_of(3);
  Index failing = 0;
  Beliefs beliefs;
};

TEST(BeliefsTest, OneFailThatMayBeBackgroundMakesNoAnswer) {
  for (const Direction direction : {Direction::bug, Direction::fix}) {
    OneFail world(direction);
    ASSERT_EQ(world.beliefs.search().best(), 1u);
    EXPECT_GE(world.beliefs.search().posterior()[1], 0.95);
    EXPECT_FALSE(world.beliefs.agreed(1));
    EXPECT_NE(&world.beliefs.leading(), &world.beliefs.search());  // what next is up to the doubt
    world.beliefs.add(world.failing, runs(3, 27));
    EXPECT_TRUE(world.beliefs.agreed(1));
  }
}

TEST(BeliefsTest, OneFailIsEnoughWhenThereIsNoBackground) {
  for (const Direction direction : {Direction::bug, Direction::fix})
    EXPECT_TRUE(OneFail(direction, {{}, 0.0}).beliefs.agreed(1));
}

TEST(BeliefsTest, MoreIsAskedOnceTheBackgroundWasSeen) {
  const CommitGraph graph = row_of(6);
  std::mt19937_64 random(5);
  int with_background = 0;
  for (int round = 0; round < 1000; ++round) {
    Beliefs beliefs(graph, Direction::bug, {}, {}, 0.95);
    for (int k = 0; k < 12; ++k) {
      const Index commit = static_cast<Index>(random() % 6);
      const bool often = commit >= 3;
      beliefs.add(commit, runs(static_cast<int>(random() % (often ? 4 : 2)), often ? 8 : 20));
    }
    const Index best = beliefs.search().best();
    if (!beliefs.agreed(best)) continue;
    std::int64_t before = 0;
    for (Index i = 0; i < best; ++i) before += beliefs.search().counts(i).fails;
    with_background += before > 0;
    EXPECT_GE(beliefs.search().posterior()[best], before > 0 ? 0.995 : 0.95);
  }
  EXPECT_GT(with_background, 10);
}

}  // namespace
}  // namespace ktrial::bisect
