#include "harness/stats/ranks.h"

#include <gtest/gtest.h>

namespace ktrial::stats {
namespace {

double higher(std::vector<double> more, std::vector<double> less) {
  return RankSum().higher(more, less);
}

TEST(RankSumTest, IsTheShareOfChoicesThatRankAsHigh) {
  EXPECT_DOUBLE_EQ(higher({4, 5, 6}, {1, 2, 3}), 1.0 / 20);
  EXPECT_DOUBLE_EQ(higher({1, 2, 3}, {4, 5, 6}), 1.0);
  EXPECT_DOUBLE_EQ(higher({3, 5, 6}, {1, 2, 4}), 2.0 / 20);
  // Ten against ten, all apart: 1 of C(20, 10).
  std::vector<double> more, less;
  for (int i = 0; i < 10; ++i) more.push_back(100 + i), less.push_back(i);
  EXPECT_NEAR(higher(more, less), 1.0 / 184756, 1e-15);
}

TEST(RankSumTest, TiesAreHalves) {
  EXPECT_DOUBLE_EQ(higher({1, 1, 1}, {1, 1, 1}), 1.0);
  // By hand: one of four is higher, and it fell on the first sample: 2 of 4 choose it.
  EXPECT_DOUBLE_EQ(higher({7, 0}, {0, 0}), 0.5);
  // Presence alone is Fisher's test: 5 of 5 against 0 of 5.
  EXPECT_NEAR(higher({1, 1, 1, 1, 1}, {0, 0, 0, 0, 0}), 1.0 / 252, 1e-12);
}

TEST(RankSumTest, NoNumbersSayNothing) {
  EXPECT_EQ(higher({}, {1}), 1);
  EXPECT_EQ(higher({1}, {}), 1);
}

// What it keeps is the distribution, not the answer.
TEST(RankSumTest, AnswersEachOfTheSameShapeByItself) {
  RankSum sum;
  const std::vector<double> low = {1, 2}, high = {3, 4}, mixed_a = {1, 4}, mixed_b = {2, 3};
  EXPECT_DOUBLE_EQ(sum.higher(high, low), 1.0 / 6);
  EXPECT_DOUBLE_EQ(sum.higher(low, high), 1.0);
  EXPECT_DOUBLE_EQ(sum.higher(mixed_a, mixed_b), 4.0 / 6);
}

}  // namespace
}  // namespace ktrial::stats
