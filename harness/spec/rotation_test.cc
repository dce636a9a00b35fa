#include "harness/spec/rotation.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace ktrial::spec {
namespace {

std::vector<std::string> names(const std::vector<TrialSpec>& specs) {
  std::vector<std::string> out;
  for (const TrialSpec& spec : specs) out.push_back(cell_name(spec));
  return out;
}

TEST(RotationTest, TurnsOneThingAtATime) {
  TrialSpec base;
  base.cpus = 4;
  base.repeat = 20;
  base.append = "quiet";
  const auto all = rotation(base, 3);
  EXPECT_EQ(names(all), (std::vector<std::string>{"config=base", "config=cpus=3", "config=cpus=5",
                                                  "config=preempt=none", "config=preempt=full",
                                                  "config=one-thread", "config=cold"}));
  EXPECT_EQ(all[1].cpus, 3);
  EXPECT_EQ(all[1].append, "quiet");
  EXPECT_EQ(all[3].append, "quiet preempt=none");
  EXPECT_TRUE(all[5].one_thread && all[5].accel == Accel::tcg);
  EXPECT_EQ(all[6].start, Start::cold);
  int trials = 0;
  for (const TrialSpec& spec : all) trials += spec.repeat;
  EXPECT_EQ(trials, 20);
  EXPECT_EQ(all[0].repeat, 3);
  EXPECT_EQ(all[6].repeat, 2);
}

TEST(RotationTest, LeavesWhatWasAskedForAndWhatTheWorkloadNeeds) {
  TrialSpec base;
  base.cpus = 3;
  base.append = "preempt=full";
  base.start = Start::warm;
  base.accel = Accel::kvm;
  const auto all = rotation(base, 3);
  EXPECT_EQ(names(all), (std::vector<std::string>{"config=base", "config=cpus=4"}));
  for (const TrialSpec& spec : all) EXPECT_EQ(spec.repeat, 1);  // each is tried
}

}  // namespace
}  // namespace ktrial::spec
