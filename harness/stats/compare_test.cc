#include "harness/stats/compare.h"

#include <gtest/gtest.h>

#include <functional>

#include "harness/stats/association.h"
#include "harness/stats/simulation.h"

namespace ktrial::stats {
namespace {

TEST(CompareTest, FisherCountsTables) {
  EXPECT_NEAR(fisher({1, 4}, {3, 4}), 17.0 / 70, 1e-12);
  EXPECT_NEAR(fisher({0, 2}, {2, 2}), 1.0 / 6, 1e-12);
  EXPECT_NEAR(fisher({0, 9}, {0, 5}), 1, 1e-12);
  EXPECT_NEAR(fisher({0, 0}, {0, 0}), 1, 1e-12);
  EXPECT_NEAR(fisher({5, 5}, {3, 3}), 1, 1e-12);
  EXPECT_LT(fisher({0, 46}, {9, 31}), 1e-3);
  EXPECT_NEAR(fisher({0, 100'000}, {2, 2}), 2.0 / 100'002 / 100'001, 1e-14);
}

TEST(CompareTest, BoschlooIsSharperThanFisher) {
  // Of 2 x 2 tables with 7 of 15 against 12 of 15: Boschloo (1970) finds .0341.
  EXPECT_NEAR(boschloo({7, 15}, {12, 15}), .0341, 5e-4);
  for (std::int64_t k = 0; k <= 8; ++k)
    EXPECT_LE(boschloo({1, 10}, {k, 8}), fisher({1, 10}, {k, 8}) + 1e-12);
  EXPECT_EQ(boschloo({0, 0}, {3, 3}), 1);
  EXPECT_EQ(boschloo({0, 5}, {0, 5}), 1);
  EXPECT_LT(boschloo({0, 2500}, {20, 2500}), 1e-4);  // by Fisher's test
}

// No more false alarms than the level, at any shared rate; and not far fewer at the worst one.
TEST(CompareTest, BoschlooKeepsItsLevel) {
  constexpr int kRuns = 2000;
  double most = 0;
  Coins coins(7);
  for (const double p : {.02, .1, .3, .5, .9}) {
    int alarms = 0;
    for (int run = 0; run < kRuns; ++run) {
      const Tally a = coins.tosses(12, p), b = coins.tosses(20, p);
      alarms += boschloo(a, b) <= .05;
    }
    const double share = static_cast<double>(alarms) / kRuns;
    EXPECT_LE(share, .05 + slack(.05, kRuns)) << p;
    most = std::max(most, share);
  }
  EXPECT_GT(most, .025);
}

TEST(CompareTest, PowerIsWhatSimulationFinds) {
  constexpr int kRuns = 2000;
  Coins coins(3);
  int found = 0;
  for (int run = 0; run < kRuns; ++run)
    found += boschloo(coins.tosses(50, .02), coins.tosses(50, .2)) <= .05;
  const double told = power_of(50, .02, 50, .2, .05);
  EXPECT_NEAR(static_cast<double>(found) / kRuns, told, slack(told, kRuns));
  EXPECT_GT(told, .85);
  const double shown = difference_shown(50, .02, 50, .05, .9);
  EXPECT_NEAR(power_of(50, .02, 50, shown, .05), .9, 1e-3);
  EXPECT_EQ(difference_shown(1, 0, 1, .05, .9), 1);
}

std::vector<Group> matrix(const std::function<double(const std::string&, int)>& rate, Coins& coins,
                          int trials) {
  std::vector<Group> groups;
  for (const std::string kernel : {"6.1", "6.12", "6.19"})
    for (const int cpus : {2, 4, 8})
      groups.push_back({{{"kernel", kernel}, {"cpus", std::to_string(cpus)}},
                        coins.tosses(trials, rate(kernel, cpus))});
  return groups;
}

TEST(AssociationTest, NamesTheFactorOrNothing) {
  Coins coins(11);
  const auto kernel = common_factor(
      matrix([](const std::string& k, int) { return k == "6.19" ? .3 : 0; }, coins, 20), .05);
  ASSERT_TRUE(kernel);
  EXPECT_EQ(kernel->text, "kernel=6.19");
  EXPECT_TRUE(kernel->only);
  EXPECT_LT(kernel->p, .001);
  const auto cpus = common_factor(
      matrix([](const std::string&, int n) { return n >= 4 ? .3 : 0; }, coins, 20), .05);
  ASSERT_TRUE(cpus);
  EXPECT_EQ(cpus->text, "cpus>=4");
  EXPECT_FALSE(common_factor({}, .05));
  // One failure would look like this wherever it was.
  auto one = matrix([](const std::string&, int) { return 0; }, coins, 20);
  one[4].seen.fails = 1;
  EXPECT_FALSE(common_factor(one, .05));
}

TEST(AssociationTest, InventsNothing) {
  constexpr int kRuns = 500;
  Coins coins(5);
  int named = 0;
  for (int run = 0; run < kRuns; ++run)
    named += common_factor(matrix([](auto&, int) { return .1; }, coins, 20), .05).has_value();
  EXPECT_LE(static_cast<double>(named) / kRuns, .05 + slack(.05, kRuns));
}

}  // namespace
}  // namespace ktrial::stats
