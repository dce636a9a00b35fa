#include "harness/trial/black_box.h"

#include <gmock/gmock.h>

namespace ktrial::trial {
namespace {
using testing::HasSubstr;

std::string arguments(Plan plan) {
  plan.trace = spec::parse_trace(plan.spec.trace).value();
  return black_box_arguments(plan);
}

TEST(BlackBoxTest, EveryTrialRecordsTheSchedulerAndForks) {
  const std::string words = black_box_arguments({});
  EXPECT_THAT(words, HasSubstr("sched:sched_switch,"));
  EXPECT_THAT(words, HasSubstr("sched:sched_process_fork,"));
  EXPECT_THAT(words, HasSubstr(" trace_buf_size="));
  EXPECT_TRUE(words.ends_with(' ')) << "other words follow";
}

TEST(BlackBoxTest, ItIsOffWhenAskedFor) {
  Plan plan;
  plan.spec.trace = "off";
  EXPECT_EQ(arguments(plan), "");
}

TEST(BlackBoxTest, WhatIsAskedForComesFromTheFirstInstant) {
  Plan plan;
  plan.spec.trace =
      "irq:*,sched:sched_wakeup,sched:sched_switch:prev_pid == 7,function:vfs_*,function:do_?";
  plan.spec.trace_clock = "mono";
  plan.spec.trace_stop = "warning";
  const std::string words = arguments(plan);
  EXPECT_THAT(words,
              HasSubstr("sched:sched_wakeup_new,irq:*,sched:sched_wakeup trace_buf_size=4096k "));
  EXPECT_THAT(words, HasSubstr(" trace_clock=mono "));
  EXPECT_THAT(words, HasSubstr(" traceoff_on_warning "));
  EXPECT_THAT(words, HasSubstr(" ftrace=function ftrace_filter=__x64_sys_reboot,vfs_*,do_? "));
  EXPECT_EQ(words.find("prev_pid"), std::string::npos) << "the command line has no filters";
  EXPECT_EQ(words.find("sched_switch", words.find("sched_switch") + 1), std::string::npos);
}

TEST(BlackBoxTest, AWorkloadThatSwitchesTracingItselfGoesWithoutIt) {
  Plan plan;
  plan.workload.emplace();
  EXPECT_NE(arguments(plan), "");
  plan.workload->patches_code = true;
  EXPECT_EQ(arguments(plan), "");
}

}  // namespace
}  // namespace ktrial::trial
