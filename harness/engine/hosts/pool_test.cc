#include "harness/engine/hosts/pool.h"

#include <gtest/gtest.h>

namespace ktrial::engine::hosts {
namespace {

constexpr Room kRoom{4, 8000};
constexpr Need kSmall{2, 1000}, kLarge{16, 64000};

TEST(PoolTest, JobsGoWhereMostIsFree) {
  Pool pool(3);
  pool.up(0, kRoom);
  pool.up(1, kRoom);
  EXPECT_EQ(pool.room().vcpus, 8);
  EXPECT_EQ(pool.place(kSmall), 0u);
  EXPECT_EQ(pool.place(kSmall), 1u);
  EXPECT_EQ(pool.place(kSmall), 0u);
  EXPECT_EQ(pool.place(kSmall), 1u);
  EXPECT_FALSE(pool.place(kSmall)) << "all are full, and one never answered";
  pool.leave(1, kSmall);
  EXPECT_EQ(pool.place(kSmall), 1u);
}

TEST(PoolTest, AHostThatIsDownTakesNothingUntilItAnswers) {
  Pool pool(2);
  pool.up(0, kRoom);
  pool.up(1, kRoom);
  pool.down(0);
  EXPECT_EQ(pool.place(kSmall), 1u);
  EXPECT_EQ(pool.place(kSmall), 1u);
  EXPECT_FALSE(pool.place(kSmall));
  pool.up(0, kRoom);
  EXPECT_EQ(pool.place(kSmall), 0u);
}

TEST(PoolTest, AnEmptyHostTakesWhatIsLargerThanItself) {
  Pool pool(1);
  pool.up(0, kRoom);
  EXPECT_EQ(pool.place(kLarge), 0u);
  EXPECT_FALSE(pool.place(kSmall));
}

TEST(PoolTest, AHostThatOthersKeepBusyTakesFewer) {
  Pool pool(2);
  pool.up(0, kRoom, 2.2);
  pool.up(1, kRoom, .3);
  EXPECT_EQ(pool.room().vcpus, 8) << "others may go";
  EXPECT_EQ(pool.place(kSmall), 1u);
  EXPECT_EQ(pool.place(kSmall), 0u);
  EXPECT_EQ(pool.place(kSmall), 1u);
  EXPECT_FALSE(pool.place(kSmall));
  pool.up(0, kRoom, 0);
  EXPECT_EQ(pool.place(kSmall), 0u) << "they went";
  pool.up(0, kRoom, 99);
  pool.leave(0, kSmall);
  pool.leave(0, kSmall);
  EXPECT_EQ(pool.place(kSmall), 0u) << "one it takes all the same";
  EXPECT_FALSE(pool.place(kSmall));
}

TEST(PoolTest, AHostInDoubtTakesNothingUntilItIsKnown) {
  Pool pool(1);
  pool.up(0, kRoom);
  pool.doubt(0);
  EXPECT_FALSE(pool.place(kSmall));
  pool.up(0, kRoom);
  EXPECT_EQ(pool.place(kSmall), 0u);
  pool.doubt(0);
  pool.down(0);
  EXPECT_FALSE(pool.is_up(0));
}

// The second host takes a third of the time.
TEST(PoolTest, FasterHostsGoFirst) {
  Pool pool(2);
  pool.up(0, kRoom);
  pool.up(1, kRoom);
  pool.learn(0, "one", 30);
  EXPECT_EQ(pool.weight(0), 1) << "nothing to compare with";
  for (int i = 0; i < 3; ++i) pool.learn(1, "one", 10);
  EXPECT_GT(pool.weight(1), 2 * pool.weight(0));
  EXPECT_EQ(pool.place(kSmall), 1u);
  EXPECT_EQ(pool.place(kSmall), 1u) << "half full it is still the better one";
  EXPECT_EQ(pool.place(kSmall), 0u);
}

}  // namespace
}  // namespace ktrial::engine::hosts
