// Workloads that torture RCU, the scheduler and the lockup detectors: quiet on a healthy kernel,
// loud on a broken one.
#include <gmock/gmock.h>

#include "harness/e2e/e2e.h"

namespace ktrial::e2e {
namespace {
using ::testing::HasSubstr;

class TortureTest : public E2eTest {
 protected:
  // The number of the only trial; -1: it is not there.
  static std::int64_t number(const nlohmann::json& run, const std::string& name) {
    for (const auto& counter : run["trials"][0]["counters"])
      if (counter["name"] == name) return counter["value"];
    return -1;
  }
};

// In one guest, beside each other.
TEST_F(TortureTest, TheStormsAreCleanAndTellTheirNumbers) {
  REQUIRE_KERNEL(kKernel);
  const auto result = run({"run", "--workload", "rcu-storm+sched-storm+lockup-bait", "--duration",
                           "5s", "--format", "json"});
  ASSERT_EQ(result.exit, 0) << result.err << result.out;
  for (const std::string storm : {"rcu-storm", "sched-storm", "lockup-bait"})
    for (const char* name : {"turns_per_minute", "longest_delay_us", "longest_softirq_us"})
      EXPECT_GT(number(result.json(), storm + "." + name), 0) << storm << " " << name;
  EXPECT_THAT(run({"report", "last"}).out, HasSubstr("lockup-bait.longest_delay_us "));
}

TEST_F(TortureTest, WhatDoesNotComeBackAfterAStormIsFound) {
  REQUIRE_KERNEL(kKernel);
  const auto result = run({"run", "--workload", "sched-storm", "--duration", "1s", "--set",
                           "plant=groups", "--format", "json"});
  EXPECT_EQ(result.exit, 1) << result.err;
  EXPECT_EQ(result.json()["kind"], "workload") << result.out;
}

// Beside a storm, a fault is seen as it is alone.
TEST_F(TortureTest, AFaultUnderAStormIsFoundWithItsCulprit) {
  REQUIRE_KERNEL(kKernel);
  const auto result =
      run({"run", "--workload", "rcu-storm+inject", "--set", "fault=soft_lockup", "--set", "cpu=1",
           "--set", "hotplug_ms=-1", "--format", "json", "--append", kSoonSoftLockup});
  if (result.exit == 125 && result.err.find("no module for this kernel") != std::string::npos)
    GTEST_SKIP() << result.err;
  EXPECT_EQ(result.exit, 1) << result.err;
  EXPECT_EQ(result.json()["culprit"], "ktrial_soft_lockup") << result.out;
}

TEST_F(TortureTest, RcutortureKnowsABustedRcuFromAHealthyOne) {
  REQUIRE_KERNEL(kKernel);
  for (const auto& [scenario, exit] : {std::pair("TREE", 0), {"BUSTED", 1}}) {
    const auto result =
        run({"run", "--start", "warm", "--workload", "rcutorture", "--duration", "8s", "--set",
             std::string("scenario=") + scenario, "--format", "json"});
    if (result.exit == 125 && result.err.find("no module for this kernel") != std::string::npos)
      GTEST_SKIP() << result.err;
    EXPECT_EQ(result.exit, exit) << scenario << "\n" << result.err << result.out;
  }
}

TEST_F(TortureTest, ACombinationIsCheckedBeforeItBoots) {
  for (const auto& [workload, words] : {std::pair("rcu-storm+", "names two workloads"),
                                        {"rcu-storm+rcu-storm", "twice"},
                                        {"rcu-storm+rcu-strom", "did you mean 'rcu-storm'"}}) {
    const auto result = run({"run", "--workload", workload});
    EXPECT_EQ(result.exit, 129) << workload;
    EXPECT_THAT(result.err, HasSubstr(words)) << workload;
  }
}

}  // namespace
}  // namespace ktrial::e2e
