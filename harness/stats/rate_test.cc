#include "harness/stats/rate.h"

#include <gtest/gtest.h>

#include <functional>

#include "harness/stats/simulation.h"

namespace ktrial::stats {
namespace {

TEST(RateTest, AgreesWithPublishedTables) {
  struct Row {
    Tally seen;
    double low, high, upper, any_low, any_high;
  };
  // Clopper-Pearson two-sided, one-sided, the mixture; rounded to the last digit.
  const Row rows[] = {
      {{0, 46}, 0, .077, .063, 0, .112},       {{0, 100}, 0, .036, .030, 0, .057},
      {{0, 400}, 0, .0092, .0075, 0, .0161},   {{1, 100}, .0003, .054, .047, 0, .084},
      {{5, 50}, .033, .218, .199, .016, .287}, {{9, 31}, .142, .480, .452, .092, .570}};
  for (const Row& row : rows) {
    const auto exact = exact_interval(row.seen, .95), any = anytime_interval(row.seen, .95);
    EXPECT_NEAR(exact.low, row.low, 6e-4);
    EXPECT_NEAR(exact.high, row.high, 6e-4);
    EXPECT_NEAR(exact_upper(row.seen, .95), row.upper, 6e-4);
    EXPECT_NEAR(any.low, row.any_low, 6e-4);
    EXPECT_NEAR(any.high, row.any_high, 6e-4);
  }
}

TEST(RateTest, NothingSeenSaysNothing) {
  for (const auto& interval : {exact_interval({0, 0}, .95), anytime_interval({0, 0}, .95)}) {
    EXPECT_EQ(interval.low, 0);
    EXPECT_EQ(interval.high, 1);
  }
  EXPECT_EQ(exact_upper({3, 3}, .95), 1);
  EXPECT_EQ(anytime_upper({0, 0}, .95), 1);
  EXPECT_EQ(anytime_lower({0, 5}, .95), 0);
  EXPECT_EQ(exact_lower({0, 5}, .95), 0);
}

TEST(RateTest, ZeroFailuresInClosedForm) {
  EXPECT_EQ(trials_for(.01, .95), 299);
  EXPECT_LE(exact_upper({0, 299}, .95), .01);
  EXPECT_GT(exact_upper({0, 298}, .95), .01);
  EXPECT_NEAR(rate_shown(46, .9), .0488, 1e-4);
  EXPECT_NEAR(rate_shown(0, .9), 1, 0);
  // The price of looking: 339 instead of 299.
  EXPECT_LT(anytime_upper({0, 339}, .95), .01);
  EXPECT_GT(anytime_upper({0, 338}, .95), .01);
  EXPECT_TRUE(surely_below({0, 339}, .01, .95));
  EXPECT_FALSE(surely_below({0, 338}, .01, .95));
  EXPECT_FALSE(surely_below({0, 0}, .99, .95));
  EXPECT_FALSE(surely_below({0, 9}, 0, .95));
}

TEST(RateTest, EndsAreMirrorImages) {
  for (std::int64_t k = 0; k <= 40; k += 5) {
    const auto one = anytime_interval({k, 40}, .9), other = anytime_interval({40 - k, 40}, .9);
    EXPECT_NEAR(one.low, 1 - other.high, 1e-9);
    EXPECT_NEAR(exact_lower({k, 40}, .9), 1 - exact_upper({40 - k, 40}, .9), 1e-9);
    EXPECT_LE(one.low, static_cast<double>(k) / 40);
    EXPECT_GE(one.high, static_cast<double>(k) / 40);
  }
}

// Samples until `stop`, at most 400 trials; how often the truth is within what is said then.
double coverage(double p, int runs, const std::function<bool(Tally)>& stop,
                const std::function<bool(Tally)>& holds) {
  Coins coins(1000 + static_cast<std::uint64_t>(p * 1e6));
  int good = 0;
  for (int run = 0; run < runs; ++run) {
    Tally seen;
    do seen = seen + Tally{coins.toss(p), 1};
    while (seen.trials < 400 && !stop(seen));
    good += holds(seen);
  }
  return static_cast<double>(good) / runs;
}

constexpr double kRates[] = {.005, .02, .1, .3};
constexpr int kRuns = 1500;

TEST(RateTest, ExactCoversWhereTheNumberWasFixed) {
  for (const double p : kRates) {
    const double share = coverage(
        p, kRuns, [](Tally seen) { return seen.trials == 100; },
        [&](Tally seen) {
          return exact_interval(seen, .95).contains(p) && p <= exact_upper(seen, .99);
        });
    EXPECT_GE(share, .945 - slack(.95, kRuns)) << p;
  }
}

TEST(RateTest, ExactCoversUntilTheFirstFailure) {
  for (const double p : kRates)
    EXPECT_GE(coverage(
                  p, kRuns, [](Tally seen) { return seen.fails == 1; },
                  [&](Tally seen) { return exact_interval(seen, .95).contains(p); }),
              .95 - slack(.95, kRuns))
        << p;
}

// The worst that looking can do: stop at the first moment that the truth is outside. Of exact
// intervals that is found more often than they say (so this test can fail).
TEST(RateTest, AnytimeCoversAtEveryLook) {
  constexpr int kFew = 300;
  for (const double p : kRates) {
    const auto covers = [&](auto interval) {
      return coverage(
          p, kFew,
          [&](Tally seen) { return seen.trials % 4 == 0 && !interval(seen, .95).contains(p); },
          [&](Tally seen) { return interval(seen, .95).contains(p); });
    };
    EXPECT_GE(covers(anytime_interval), .95 - slack(.95, kFew)) << p;
    EXPECT_LT(covers(exact_interval), .95 - slack(.95, kFew) / 2) << p;
  }
}

TEST(RateTest, AnytimeBoundsCoverAtEveryLook) {
  constexpr int kFew = 300;
  for (const double p : kRates) {
    const auto covers = [&](auto holds) {
      return coverage(
          p, kFew, [&](Tally seen) { return seen.trials % 4 == 0 && !holds(seen); }, holds);
    };
    EXPECT_GE(covers([&](Tally seen) { return !surely_below(seen, p, .95); }),
              .95 - slack(.95, kFew));
    EXPECT_GE(
        covers([&](Tally seen) { return !surely_below({seen.passes(), seen.trials}, 1 - p, .95); }),
        .95 - slack(.95, kFew));
  }
}

}  // namespace
}  // namespace ktrial::stats
