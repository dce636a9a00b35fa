#include "workloads/common/knobs.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "workloads/common/threads.h"

namespace ktrial::workload {
namespace {

std::vector<std::int64_t> draw(std::int64_t most, std::int64_t seed, std::uint64_t stream) {
  Jitter jitter(most, seed, stream);
  std::vector<std::int64_t> out;
  for (int i = 0; i < 100; ++i) out.push_back(jitter.next_us());
  return out;
}

TEST(JitterTest, IsRepeatableAndDiffersBySeedAndStream) {
  EXPECT_EQ(draw(1000, 1, 0), draw(1000, 1, 0));
  EXPECT_NE(draw(1000, 1, 0), draw(1000, 2, 0));
  EXPECT_NE(draw(1000, 1, 0), draw(1000, 1, 1));
}
TEST(JitterTest, StaysInItsRange) {
  for (const std::int64_t us : draw(3, 7, 0)) EXPECT_TRUE(us >= 0 && us <= 3) << us;
  for (const std::int64_t us : draw(0, 7, 0)) EXPECT_EQ(us, 0);
}
TEST(UseCpusTest, AllByDefaultAndTheFirstWhenAsked) {
  const auto all = allowed_cpus();
  EXPECT_EQ(use_cpus(0), all);
  EXPECT_EQ(allowed_cpus(), all);
  // In a child: affinity is for life.
  EXPECT_EXIT(_exit(use_cpus(1) == std::vector<int>{all[0]} && allowed_cpus().size() == 1 ? 7 : 8),
              testing::ExitedWithCode(7), "");
  EXPECT_EXIT(use_cpus(static_cast<std::int64_t>(all.size()) + 1), testing::ExitedWithCode(2), "");
}

}  // namespace
}  // namespace ktrial::workload
