#include "harness/engine/packing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace ktrial::engine {
namespace {
using ::testing::ElementsAre;

run::Job job_of(int cpus, int memory_mib = 256) {
  run::Job job;
  job.spec.cpus = cpus;
  job.spec.memory_mib = memory_mib;
  return job;
}

// Begins what fits, until nothing more does; the ids in their order.
std::vector<JobId> begin_all(Queue& queue, std::vector<Need>& running) {
  std::vector<JobId> out;
  while (auto next = queue.take(running)) {
    out.push_back(next->id);
    running.push_back(need_of(next->job));
  }
  return out;
}

TEST(PackingTest, AsManyRunAsTheHostHasCpusFor) {
  Queue queue({.vcpus = 8, .memory_mib = 100'000}, 0);
  for (JobId id = 1; id <= 5; ++id) queue.push(id, job_of(3));
  std::vector<Need> running;
  EXPECT_THAT(begin_all(queue, running), ElementsAre(1, 2));
  running.pop_back();
  EXPECT_THAT(begin_all(queue, running), ElementsAre(3));
}

TEST(PackingTest, AsManyRunAsTheHostHasMemoryFor) {
  Queue queue({.vcpus = 64, .memory_mib = 3000}, 0);
  for (JobId id = 1; id <= 5; ++id) queue.push(id, job_of(1, 1024));
  std::vector<Need> running;
  EXPECT_THAT(begin_all(queue, running), ElementsAre(1, 2));
}

TEST(PackingTest, OneThatIsLargerThanTheHostRunsAlone) {
  Queue queue({.vcpus = 2, .memory_mib = 512}, 0);
  queue.push(1, job_of(16, 8192));
  queue.push(2, job_of(1));
  std::vector<Need> running;
  EXPECT_THAT(begin_all(queue, running), ElementsAre(1));
  running.clear();
  EXPECT_THAT(begin_all(queue, running), ElementsAre(2));
}

TEST(PackingTest, ToldHowManyTheCpusAreNotCountedButMemoryIs) {
  Queue queue({.vcpus = 2, .memory_mib = 2000}, 3);
  for (JobId id = 1; id <= 4; ++id) queue.push(id, job_of(4));
  std::vector<Need> running;
  EXPECT_THAT(begin_all(queue, running), ElementsAre(1, 2, 3));
  Queue large({.vcpus = 2, .memory_mib = 2000}, 3);
  for (JobId id = 1; id <= 4; ++id) large.push(id, job_of(4, 1500));
  running.clear();
  EXPECT_THAT(begin_all(large, running), ElementsAre(1));
}

TEST(PackingTest, SmallOnesFillTheGapBesideALargeOneButNotForEver) {
  Queue queue({.vcpus = 4, .memory_mib = 100'000}, 0);
  std::vector<Need> running = {{2, 100}};
  queue.push(1, job_of(4));
  for (JobId id = 2; id <= 40; ++id) queue.push(id, job_of(2));
  int before = 0;
  for (;; ++before) {
    auto next = queue.take(running);
    if (!next) break;  // the large one is waited for
    ASSERT_NE(next->id, 1u);
    ASSERT_LT(before, 39);
  }
  EXPECT_GT(before, 0);
  running.clear();
  EXPECT_EQ(queue.take(running)->id, 1u);
}

// Whatever comes and goes: never more than the host, all of them in the end.
TEST(PackingTest, TheHostIsNeverOversubscribedAndNobodyStarves) {
  std::mt19937 random(1);
  for (int round = 0; round < 50; ++round) {
    const Room room{8, 8000};
    Queue queue(room, 0);
    const int jobs = 200;
    for (JobId id = 1; id <= jobs; ++id)
      queue.push(id, job_of(std::uniform_int_distribution(1, 12)(random),
                            std::uniform_int_distribution(64, 9000)(random)));
    std::vector<Need> running;
    int begun = 0;
    while (!queue.empty() || !running.empty()) {
      begun += static_cast<int>(begin_all(queue, running).size());
      ASSERT_FALSE(running.empty());
      Need sum;
      for (const Need& one : running) {
        sum.vcpus += one.vcpus;
        sum.memory_mib += one.memory_mib;
      }
      if (running.size() > 1) {
        ASSERT_LE(sum.vcpus, room.vcpus);
        ASSERT_LE(sum.memory_mib, room.memory_mib);
      }
      running.erase(running.begin() + static_cast<std::ptrdiff_t>(random() % running.size()));
    }
    EXPECT_EQ(begun, jobs);
  }
}

TEST(PackingTest, LimitsOfTimeFollowFromTheLargestThatMayRunBeside) {
  Queue queue({.vcpus = 2, .memory_mib = 100'000}, 3);
  for (const int cpus : {4, 2, 8, 1}) queue.push(static_cast<JobId>(cpus), job_of(cpus));
  std::vector<Need> running;
  const auto first = queue.take(running);
  ASSERT_TRUE(first);
  EXPECT_EQ(queue.beside(running), 8 + 2);  // the two largest of the others
  running.push_back(need_of(first->job));
  ASSERT_TRUE(queue.take(running));
  EXPECT_EQ(queue.beside(running), 8 + 4);
  Queue packed({.vcpus = 2, .memory_mib = 100'000}, 0);
  packed.push(1, job_of(1));
  EXPECT_EQ(packed.beside({{1, 1}}), 0) << "each has CPUs of its own";
}

TEST(PackingTest, WhatWasTakenOutIsNotBegun) {
  Queue queue({.vcpus = 2, .memory_mib = 1000}, 0);
  queue.push(1, job_of(1));
  queue.push(2, job_of(1));
  EXPECT_TRUE(queue.remove(1));
  EXPECT_FALSE(queue.remove(1));
  std::vector<Need> running;
  EXPECT_THAT(begin_all(queue, running), ElementsAre(2));
}

TEST(PackingTest, AKernelIsMadeBesideAllThatRuns) {
  Queue queue({.vcpus = 2, .memory_mib = 1000}, 1);
  run::Job making = job_of(4);
  making.kernel_only = true;
  queue.push(1, job_of(2));
  queue.push(2, making);
  queue.push(3, job_of(2));
  std::vector<Need> running;
  EXPECT_THAT(begin_all(queue, running), ElementsAre(1, 2));
  running.erase(running.begin());
  EXPECT_THAT(begin_all(queue, running), ElementsAre(3)) << "it takes nobody's place";
}

TEST(PackingTest, ThisHostHasRoomForSomething) {
  const Room room = room_here();
  EXPECT_GE(room.vcpus, 1);
  EXPECT_GT(room.memory_mib, 0);
}

}  // namespace
}  // namespace ktrial::engine
