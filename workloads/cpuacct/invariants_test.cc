// Each rule holds for a sound reading and names what it sees in a violating one.
#include "workloads/cpuacct/invariants.h"

#include <gmock/gmock.h>

namespace ktrial::cpuacct {
namespace {

using testing::HasSubstr;
using testing::StartsWith;
constexpr std::uint64_t kSecond = 1'000'000'000;

// A group that used `user` + `system` ns, ticks and all, on two CPUs.
Reading group(std::uint64_t user, std::uint64_t system) {
  V1 v1;
  v1.usage = user + system;
  v1.usage_user = user;
  v1.usage_sys = system;
  v1.percpu = {v1.usage - 5, 5};
  v1.all_user = {user, 0};
  v1.all_sys = {0, system};
  v1.stat_user = user / kUserTick;
  v1.stat_system = system / kUserTick;
  return {v1, {(user + system) / 1000, user / 1000, system / 1000}};
}

class CpuacctRulesTest : public testing::Test {
 protected:
  const Reading a_ = group(3 * kSecond, 0), b_ = group(0, 2 * kSecond);
  Reading p_ = group(3 * kSecond, 2 * kSecond);
};

TEST_F(CpuacctRulesTest, SumHolds) { EXPECT_EQ(check_sum(p_, {a_, b_}), ""); }
TEST_F(CpuacctRulesTest, SumAllowsAMicrosecondPerChildInV2Only) {
  p_.v2.usage += 3;
  EXPECT_EQ(check_sum(p_, {a_, b_}), "");
  ++p_.v2.usage;
  EXPECT_THAT(check_sum(p_, {a_, b_}), StartsWith("sum: cpu.stat usage_usec is 5000004"));
}
TEST_F(CpuacctRulesTest, SumSeesOneLostNanosecondInV1) {
  --p_.v1->usage;
  EXPECT_THAT(check_sum(p_, {a_, b_}), StartsWith("sum: cpuacct.usage is 4999999999"));
}
TEST_F(CpuacctRulesTest, SumSeesATickThatOneLevelMissed) {
  p_.v1->usage_sys -= 4'000'000;
  EXPECT_THAT(check_sum(p_, {a_, b_}), StartsWith("sum: cpuacct.usage_sys"));
}
TEST_F(CpuacctRulesTest, SumWithoutV1JudgesV2) {
  Reading p = p_, a = a_;
  p.v1.reset(), a.v1.reset();
  EXPECT_THAT(check_sum(p, {a}), StartsWith("sum: cpu.stat"));
}

TEST_F(CpuacctRulesTest, SplitHoldsWithRounding) {
  p_.v2.user += 2;
  EXPECT_EQ(check_split(p_, true), "");
  ++p_.v2.user;
  EXPECT_THAT(check_split(p_, true), StartsWith("split: cpu.stat"));
}
TEST_F(CpuacctRulesTest, SplitOfStatIsWithinTwoTicksBelow) {
  p_.v1->stat_user -= 1;
  EXPECT_EQ(check_split(p_, true), "");
  p_.v1->stat_user -= 1;
  EXPECT_THAT(check_split(p_, true), StartsWith("split: cpuacct.stat"));
  EXPECT_EQ(check_split(p_, false), "") << "raw ticks of an old kernel are not compared";
  p_.v1->stat_user += 3;
  EXPECT_THAT(check_split(p_, true), StartsWith("split: cpuacct.stat")) << "more than was used";
}

TEST_F(CpuacctRulesTest, PercpuSeesEverySum) {
  EXPECT_EQ(check_percpu(p_), "");
  for (auto member : {&V1::percpu, &V1::all_user, &V1::all_sys}) {
    Reading wrong = p_;
    ++((*wrong.v1).*member)[1];
    EXPECT_THAT(check_percpu(wrong), StartsWith("percpu: "));
  }
}

TEST_F(CpuacctRulesTest, MonotoneSeesEveryValueThatFalls) {
  EXPECT_EQ(check_monotone(p_, p_), "");
  EXPECT_EQ(check_monotone(a_, p_), "");
  for (auto member : {&V2::usage, &V2::user, &V2::system}) {
    Reading after = p_;
    --(after.v2.*member);
    EXPECT_THAT(check_monotone(p_, after), HasSubstr("went back"));
  }
  for (auto member :
       {&V1::usage, &V1::usage_user, &V1::usage_sys, &V1::stat_user, &V1::stat_system}) {
    Reading after = p_;
    --((*after.v1).*member);
    EXPECT_THAT(check_monotone(p_, after), HasSubstr("went back"));
  }
  Reading after = p_;
  --after.v1->percpu[1];
  EXPECT_THAT(check_monotone(p_, after), HasSubstr("usage_percpu"));
  after = p_;
  after.v1->percpu.pop_back();
  EXPECT_THAT(check_monotone(p_, after), HasSubstr("there were"));
}

TEST_F(CpuacctRulesTest, FrozenForgivesOneLateEndAndNoMore) {
  Reading later = p_, last = p_;
  later.v1->usage += 100;
  last.v1->usage += 200;
  EXPECT_EQ(check_frozen(p_, p_, p_), "");
  EXPECT_EQ(check_frozen(p_, later, later), "");
  EXPECT_EQ(check_frozen(p_, p_, later), "");
  EXPECT_THAT(check_frozen(p_, later, last), StartsWith("frozen: cpuacct.usage still grows"));
  EXPECT_THAT(check_frozen(later, p_, p_), StartsWith("monotone: "));
}

TEST_F(CpuacctRulesTest, LevelsHoldWithinFiveTicksOrTwoPerCent) {
  EXPECT_EQ(check_levels(p_, {a_, b_}), "");
  p_.v2.user += 100'000;  // 2 % of 5 s
  EXPECT_EQ(check_levels(p_, {a_, b_}), "");
  p_.v2.user += 1000;
  EXPECT_THAT(check_levels(p_, {a_, b_}), StartsWith("levels: cpu.stat"));
  p_.v2.user -= 101'000;
  p_.v1->stat_user -= 11;
  EXPECT_THAT(check_levels(p_, {a_, b_}), StartsWith("levels: cpuacct.stat"));
}
TEST_F(CpuacctRulesTest, LevelsAllowForTimeWithoutTicks) {
  // b lost half its ticks: of p's 4 s of ticks 3 are user, so 3.75 s of its 5 s.
  Reading b = b_;
  b.v1->usage_sys /= 2;
  p_.v1->usage_sys /= 2;
  p_.v2.user = 3'750'000;
  p_.v1->stat_user = 375;
  EXPECT_EQ(check_levels(p_, {a_, b}), "");
  EXPECT_FALSE(levels_can_be_compared(p_, {a_, b}));
  EXPECT_TRUE(levels_can_be_compared(group(3 * kSecond, 2 * kSecond), {a_, b_}));
  p_.v2.user = 3'000'000 + 1'100'001;  // 2 % of 5 s, and the second that was lost
  EXPECT_THAT(check_levels(p_, {a_, b}), StartsWith("levels: "));
}

TEST_F(CpuacctRulesTest, RusageIsWithinOnePerCentAndATick) {
  auto check = [&](std::uint64_t ns, bool many) { return check_rusage(a_, ns, ns, many); };
  EXPECT_EQ(check(3 * kSecond, false), "");
  EXPECT_EQ(check(3 * kSecond + 40'000'000, false), "");
  EXPECT_THAT(check(3 * kSecond + 41'000'000, false), StartsWith("rusage: "));
  EXPECT_THAT(check(3 * kSecond - 41'000'000, false), StartsWith("rusage: "));
  EXPECT_EQ(check_rusage(a_, 2 * kSecond, 3 * kSecond, false), "") << "it was long in waking up";
  EXPECT_EQ(check(2 * kSecond, true), "") << "more than the tasks' own is theirs too";
  EXPECT_THAT(check(4 * kSecond, true), StartsWith("rusage: "));
}

TEST_F(CpuacctRulesTest, TwinsTellTheSame) {
  EXPECT_EQ(check_twins(a_), "");
  Reading r = a_;
  r.v2.usage -= 41'000;
  EXPECT_THAT(check_twins(r), StartsWith("twins: "));
}

TEST_F(CpuacctRulesTest, MachineHasNoMoreThanItsCpus) {
  EXPECT_EQ(check_machine({4 * kSecond, 400, kSecond, 4}), "");
  EXPECT_THAT(check_machine({5 * kSecond, 400, kSecond, 4}), HasSubstr("4 CPUs had"));
  // /proc/stat is believed only where it has the whole time.
  EXPECT_EQ(check_machine({4 * kSecond, 100, kSecond, 4}), "");
  EXPECT_THAT(check_machine({398 * kSecond / 100, 384, kSecond, 4}), HasSubstr("/proc/stat"))
      << check_machine({398 * kSecond / 100, 384, kSecond, 4});
}

}  // namespace
}  // namespace ktrial::cpuacct
