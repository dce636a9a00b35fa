#include "harness/stats/sequential.h"

#include <gtest/gtest.h>

#include <map>

#include "harness/stats/simulation.h"

namespace ktrial::stats {
namespace {

struct Shares {
  std::map<Known, double> of;
  double pairs = 0;  // mean
};

Shares sample(double a, double b, int runs, int most) {
  Coins coins(17);
  Shares out;
  for (int run = 0; run < runs; ++run) {
    PairTest test;
    int pairs = 0;
    while (test.known() == Known::not_yet && pairs++ < most)
      test.pair(coins.toss(a), coins.toss(b));
    out.of[test.known()] += 1.0 / runs;
    out.pairs += static_cast<double>(pairs) / runs;
  }
  return out;
}

constexpr int kPairs = 1000;

TEST(SequentialTest, FewFalseAlarmsHoweverLongItLooks) {
  for (const double p : {.02, .1, .3, .7}) {
    auto shares = sample(p, p, kPairs, 2000);
    EXPECT_LE(shares.of[Known::worse] + shares.of[Known::better], .05 + slack(.05, kPairs)) << p;
    EXPECT_LT(shares.of[Known::not_yet], .02) << p;
  }
}

TEST(SequentialTest, FindsWhatMattersInBothDirections) {
  // Odds of 3: 10 % and 25 %.
  auto worse = sample(.1, .25, kPairs, 2000), better = sample(.25, .1, kPairs, 2000);
  EXPECT_GE(worse.of[Known::worse], .9 - slack(.9, kPairs));
  EXPECT_GE(better.of[Known::better], .9 - slack(.9, kPairs));
  EXPECT_LE(worse.of[Known::better], .025);
  // What is plain is known soon.
  auto plain = sample(0, .5, kPairs, 2000);
  EXPECT_GT(plain.of[Known::worse], .99);
  EXPECT_LT(plain.pairs, 30);
}

TEST(SequentialTest, TwoThatNeverFailEndToo) {
  auto clean = sample(0, 0, 1, 2000);
  EXPECT_EQ(clean.of[Known::no_difference], 1);
  EXPECT_LT(clean.pairs, 100);
}

}  // namespace
}  // namespace ktrial::stats
