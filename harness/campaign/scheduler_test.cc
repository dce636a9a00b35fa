#include "harness/campaign/scheduler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

namespace ktrial::campaign {
namespace {

using spec::Goal;
using testing::ElementsAre;

constexpr engine::Room kRoom{4, 1 << 20};

Limits trials(int count) { return {.goal = {Goal::Kind::trials, count, 0}, .room = kRoom}; }
Task task(double seconds, int vcpus = 1) { return {{vcpus, 100}, seconds}; }

// Cells in the order in which they begin, each ending before the next one begins.
std::vector<std::size_t> one_by_one(Scheduler& order, int most,
                                    const Came& came = {.pass = 1, .seconds = 1}) {
  std::vector<std::size_t> out;
  double now = 0;
  while (std::ssize(out) < most) {
    const auto cell = order.next(now);
    if (!cell) break;
    out.push_back(*cell);
    order.ended(*cell, came);
    now += 1;
  }
  return out;
}

TEST(SchedulerTest, LeastKnownFirstAndOfThoseTheLongest) {
  Scheduler order({task(5), task(30), task(10)}, trials(2));
  Came same{.pass = 1, .seconds = 0};
  std::vector<std::size_t> begun;
  for (const double seconds : {30, 10, 5, 30, 10, 5}) {
    same.seconds = seconds;
    begun.push_back(order.next(0).value());
    order.ended(begun.back(), same);
  }
  EXPECT_THAT(begun, ElementsAre(1, 2, 0, 1, 2, 0));
  EXPECT_FALSE(order.next(0));
  EXPECT_TRUE(order.done(0));
  EXPECT_EQ(order.state(1).over, Over::goal_reached);
}

TEST(SchedulerTest, CellsThatFailedLastNightComeEarly) {
  std::vector<Task> tasks(5, task(10));
  tasks[3].failed_last_night = true;
  Scheduler order(tasks, trials(2));
  EXPECT_EQ(order.next(0), 3u);
  EXPECT_NE(order.next(0), 3u);  // one trial, then in turn
}

TEST(SchedulerTest, ACellThatTheHostFailsIsNotHammered) {
  Scheduler order({task(10), task(20)}, {.budget_s = 1e6, .room = kRoom});
  std::vector<int> between;  // trials of the other one, from try to try
  for (int others = 0; others < 5000;) {
    const auto cell = order.next(0);
    if (*cell == 0) {
      order.ended(0, {.pass = 1, .seconds = 10});
      ++others;
    } else {
      order.ended(1, {.inconclusive = 1, .seconds = 60});
      between.push_back(std::exchange(others, 0));
    }
  }
  ASSERT_EQ(between.size(), 6u);
  EXPECT_LE(between[1], 5);  // one may be chance
  for (std::size_t i = 2; i < between.size(); ++i) EXPECT_GT(between[i], 2 * between[i - 1]);
  EXPECT_EQ(order.state(1).over, Over::host);
}

TEST(SchedulerTest, ABrokenCellIsLeftOutAtOnce) {
  Scheduler order({task(10)}, trials(5));
  order.ended(order.next(0).value(), {.broken = true});
  EXPECT_EQ(order.state(0).over, Over::broken);
  EXPECT_TRUE(order.done(0));
}

TEST(SchedulerTest, NothingBeginsThatCannotEndInTime) {
  Limits limits{.budget_s = 100, .room = kRoom};
  Scheduler order({task(60), task(20)}, limits);
  EXPECT_EQ(order.next(0), 0u);
  order.ended(0, {.pass = 1, .seconds = 60});
  EXPECT_EQ(order.next(60), 1u);  // the long one would end at 120
  order.ended(1, {.pass = 1, .seconds = 20});
  EXPECT_EQ(order.next(80), 1u);
  order.ended(1, {.pass = 1, .seconds = 20});
  EXPECT_FALSE(order.next(81));
  EXPECT_TRUE(order.done(81));
}

TEST(SchedulerTest, GoalsOnRatesStopBothWays) {
  Limits limits{.budget_s = 1e9, .goal = {Goal::Kind::rate_below, 0, .1}, .room = kRoom};
  Scheduler order({task(1), task(1)}, limits);
  int good = 0, bad = 0;
  while (const auto cell = order.next(0)) {
    if (*cell == 0)
      ++good, order.ended(0, {.pass = 1, .seconds = 1});
    else
      ++bad, order.ended(1, {.pass = bad % 2, .fail = 1 - bad % 2, .seconds = 1});
  }
  EXPECT_EQ(order.state(0).over, Over::goal_reached);
  EXPECT_EQ(order.state(1).over, Over::goal_refuted);
  EXPECT_GT(good, 28);  // a number fixed before would need 29
  EXPECT_LT(good, 40);
  EXPECT_LT(bad, 20);
}

// 4 vCPUs have 10 trials of 2 vCPUs before them.
TEST(SchedulerTest, WhatIsLeftFollowsThePaceOnceThereIsOne) {
  Scheduler order({task(10, 2)}, trials(10));
  EXPECT_EQ(order.left_s(0), 50) << "two at a time, as expected";
  ASSERT_TRUE(order.next(0) && order.next(0));
  EXPECT_EQ(order.left_s(1), 45) << "half of both is done";
  EXPECT_EQ(order.left_s(100), 900) << "nothing has come in ten times the expected time";
  for (int i = 0; i < 2; ++i) order.ended(0, {.pass = 1, .seconds = 10});
  EXPECT_EQ(order.left_s(10), 40);
  EXPECT_EQ(order.left_s(40), 160) << "the host is slower than its trials say";
  EXPECT_EQ(Scheduler({task(10)}, {.goal = {Goal::Kind::until_fail}}).left_s(5), std::nullopt);
}

TEST(SchedulerTest, UntilFailAndMaxTrialsEnd) {
  Limits limits{.max_trials = 7, .goal = {Goal::Kind::until_fail, 0, 0}, .room = kRoom};
  Scheduler order({task(1), task(1)}, limits);
  order.ended(order.next(0).value(), {.fail = 1, .seconds = 1});
  EXPECT_EQ(one_by_one(order, 100).size(), 6u);
  EXPECT_TRUE(order.done(0));
}

TEST(SchedulerTest, PacksByRoomAndLargeOnesGetTheirTurn) {
  Scheduler order({task(10, 4), task(10, 1)}, {.budget_s = 1e6, .room = kRoom});
  // The small one is at work when the large one is due.
  double now = 0;
  std::vector<std::size_t> running;
  int large = 0;
  for (int step = 0; step < 200; ++step) {
    while (const auto cell = order.next(now)) running.push_back(*cell), large += *cell == 0;
    ASSERT_FALSE(running.empty());
    order.ended(running.front(), {.pass = 1, .seconds = 10});
    running.erase(running.begin());
    now += 3;
  }
  EXPECT_GT(large, 10);
  Scheduler jobs({task(10, 4), task(10, 4)}, {.budget_s = 1e6, .room = kRoom, .at_a_time = 3});
  int at_once = 0;
  while (jobs.next(0)) ++at_once;
  EXPECT_EQ(at_once, 3);
}

TEST(SchedulerTest, CampaignsBesideEachOtherShareTheHost) {
  Scheduler order({task(10), task(10)}, {.budget_s = 1e6, .room = kRoom});
  order.share(2);
  int at_once = 0;
  while (order.next(0)) ++at_once;
  EXPECT_EQ(at_once, 2);
  order.share(1);  // the other one is over
  while (order.next(0)) ++at_once;
  EXPECT_EQ(at_once, 4);
}

TEST(SchedulerTest, TheSeedDecidesAmongEquals) {
  const auto order_of = [](std::uint64_t seed) {
    Limits limits = trials(1);
    limits.seed = seed;
    Scheduler order(std::vector<Task>(8, task(10)), limits);
    return one_by_one(order, 8);
  };
  EXPECT_EQ(order_of(1), order_of(1));
  EXPECT_NE(order_of(1), order_of(2));
}

TEST(SchedulerTest, RemembersWhatWasBefore) {
  Scheduler order({task(10), task(10)}, trials(3));
  order.recall(0, {.pass = 3, .seconds = 30});
  EXPECT_EQ(order.state(0).over, Over::goal_reached);
  EXPECT_THAT(one_by_one(order, 9), ElementsAre(1, 1, 1));
}

}  // namespace
}  // namespace ktrial::campaign
