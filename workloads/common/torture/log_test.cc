#include <gmock/gmock.h>

#include "workloads/common/torture/torture.h"

namespace ktrial::workload {
namespace {
using ::testing::Contains;
using ::testing::Pair;

// As rcutorture, locktorture and scftorture of 6.1 print them.
TEST(TortureLogTest, StatisticsAreRead) {
  TortureLog log("rcu-torture:", "ver");
  EXPECT_FALSE(log.hear("random: crng init done"));
  EXPECT_TRUE(
      log.hear("rcu-torture: rtc: 00000000 ver: 39 tfle: 0 rta: 40 rtaf: 0 rtf: 30 rtmbe: 0"));
  EXPECT_EQ(log.done(), 39u);
  EXPECT_THAT(log.numbers(), Contains(Pair("rtf", 30u)));
  EXPECT_THAT(log.numbers(), Contains(Pair("rtmbe", 0u)));
  EXPECT_EQ(log.end(), "");
}

TEST(TortureLogTest, TheLastLineIsTheVerdict) {
  const std::tuple<const char*, const char*, const char*> kEnds[] = {
      {"rcu-torture:", "rcu-torture:--- End of test: SUCCESS: nreaders=3 nfakewriters=4",
       "SUCCESS"},
      {"rcu-torture:", "busted-torture:--- End of test: FAILURE: nreaders=3", ""},
      {"-torture:", "busted-torture:--- End of test: FAILURE: nreaders=3", "FAILURE"},
      {"-torture:", "rcu-torture:--- End of test: RCU_HOTPLUG: nreaders=3", "RCU_HOTPLUG"},
      {"scftorture:", "scftorture: --- End of test: SUCCESS:  verbose=0 holdoff=0", "SUCCESS"}};
  for (const auto& [sign, line, end] : kEnds) {
    TortureLog log(sign, "ver");
    log.hear(line);
    EXPECT_EQ(log.end(), end) << line;
  }
}

TEST(TortureLogTest, AHealthyRunMayShout) {
  TortureLog log("-torture:", "total");
  log.hear("spin_lock-torture: Writes:  Total: 4242  Max/Min: 12/3 ???  Fail: 0 ");
  EXPECT_EQ(log.done(), 4242u);
  EXPECT_THAT(log.numbers(), Contains(Pair("fail", 0u)));
  EXPECT_EQ(log.end(), "");
}

}  // namespace
}  // namespace ktrial::workload
