// The simulated nights: 200 cells, twelve planted rates from 0 to 30 %, host faults.
#include "harness/campaign/simulate.h"

#include <gtest/gtest.h>

#include <cmath>

namespace ktrial::campaign {
namespace {

TEST(SimulateTest, NightsAreUsedAndTrue) {
  const Simulated r = simulate({.nights = 4});
  EXPECT_GE(r.used, .95);
  EXPECT_LT(r.overrun_s, 120);  // a trial that failed, not one that began late
  EXPECT_EQ(r.found, r.planted);
  EXPECT_GT(r.planted, 30);
  EXPECT_EQ(r.false_new, 0);
  EXPECT_EQ(r.true_new, 1);
  EXPECT_EQ(r.true_gone, 1);
  EXPECT_EQ(r.nights_with_alarm, 0);
  EXPECT_LE(r.most_at_host_fault, 6);
}

// Small nights, many of them: what is said at 95 % and at 1 % holds.
TEST(SimulateTest, ClaimsHoldOverManyNights) {
  const int nights = 300;
  const Simulated r =
      simulate({.nights = nights, .cells = 20, .budget_s = 3600, .cores = 24, .seed = 3});
  EXPECT_GE(r.coverage, .95 - 4 * std::sqrt(.05 * .95 / (10.0 * nights)));
  EXPECT_LE(r.nights_with_alarm, nights * .01 + 4 * std::sqrt(nights * .01));
  EXPECT_LE(r.false_new, nights / 100);
  EXPECT_EQ(r.true_new, 1);
}

TEST(SimulateTest, TheSameSeedGivesTheSameNights) {
  const SimulateOptions options{.nights = 2, .cells = 20, .budget_s = 1800, .cores = 8, .seed = 9};
  EXPECT_EQ(simulate(options).trials, simulate(options).trials);
  EXPECT_EQ(simulate(options).used, simulate(options).used);
}

}  // namespace
}  // namespace ktrial::campaign
