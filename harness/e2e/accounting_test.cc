// Workloads that judge the kernel's answers: they pass on a healthy kernel, and fail
// when a wrong answer is planted in a real guest.
#include "harness/e2e/e2e.h"

namespace ktrial::e2e {
namespace {

class AccountingTest : public E2eTest {
 protected:
  void expect_planted_is_found(const std::string& workload, const std::string& plant,
                               const std::string& sentence) {
    const auto result = run({"run", "--start", "warm", "--workload", workload, "--duration", "1s",
                             "--set", "plant=" + plant, "--format", "json"});
    EXPECT_EQ(result.exit, 1) << plant << "\n" << result.err << result.out;
    const std::filesystem::path artifacts = trial(result).value("artifacts", "");
    const auto output = read_file(artifacts / "output/console.log");
    ASSERT_TRUE(output) << plant;
    EXPECT_NE(output->find("invariant broken: "), std::string::npos) << *output;
    EXPECT_NE(output->find(sentence), std::string::npos) << *output;
  }
};

TEST_F(AccountingTest, CpuacctPassesOnAHealthyKernel) {
  REQUIRE_KERNEL(kKernel);
  const auto result = run({"run", "--start", "warm", "--workload", "cpuacct", "--duration", "1s"});
  EXPECT_EQ(result.exit, 0) << result.err << result.out;
}

TEST_F(AccountingTest, CpuacctFindsWhatIsPlanted) {
  REQUIRE_KERNEL(kKernel);
  expect_planted_is_found("cpuacct", "sum", "that of its 7 children together");
  expect_planted_is_found("cpuacct", "monotone", "went back");
}

TEST_F(AccountingTest, DebugEventsPassesOnAHealthyKernel) {
  REQUIRE_KERNEL(kKernel);
  const auto result =
      run({"run", "--start", "warm", "--workload", "debug-events", "--duration", "3s"});
  EXPECT_EQ(result.exit, 0) << result.err << result.out;
}

TEST_F(AccountingTest, DebugEventsFindsWhatIsPlanted) {
  REQUIRE_KERNEL(kKernel);
  expect_planted_is_found("debug-events", "mismatch", "by the client");
  expect_planted_is_found("debug-events", "memory", "it wrote");
  expect_planted_is_found("debug-events", "witness", "by the proc connector");
}

}  // namespace
}  // namespace ktrial::e2e
