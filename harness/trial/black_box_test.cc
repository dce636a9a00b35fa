#include "harness/trial/black_box.h"

#include <gmock/gmock.h>

namespace ktrial::trial {
namespace {
using testing::HasSubstr;

std::string arguments(const Plan& plan) {
  return black_box_arguments(plan, spec::parse_trace(plan.spec.trace).value());
}

TEST(BlackBoxTest, EveryTrialRecordsTheSchedulerAndForks) {
  const std::string words = black_box_arguments({}, {});
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

TEST(BlackBoxTest, AWorkloadThatSwitchesTracingItselfGoesWithoutIt) {
  Plan plan;
  plan.workload.emplace();
  EXPECT_NE(arguments(plan), "");
  plan.workload->patches_code = true;
  EXPECT_EQ(arguments(plan), "");
}

}  // namespace
}  // namespace ktrial::trial
