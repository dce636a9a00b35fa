// The whole table of planted faults on the default kernel: minutes.
#include "harness/selftest/testing.h"

namespace ktrial::selftest {
namespace {

using SelftestDrill = RealVms;

TEST_F(SelftestDrill, EveryFaultIsDetected) {
  const auto output = selftest({});
  EXPECT_EQ(output.exit_status, 0) << output.out;
}

TEST_F(SelftestDrill, NothingPlantedIsAPassTwentyTimes) {
  const auto output = selftest({"--only", "none", "--repeat", "20"});
  EXPECT_EQ(output.exit_status, 0) << output.out;
}

}  // namespace
}  // namespace ktrial::selftest
