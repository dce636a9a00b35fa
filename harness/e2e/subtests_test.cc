// Test programs whose output says which of their tests failed.
#include "harness/base/file.h"
#include "harness/e2e/daemon.h"
#include "harness/e2e/e2e.h"

namespace ktrial::e2e {
namespace {
namespace fs = std::filesystem;

class SubtestsE2eTest : public E2eTest {
 protected:
  Outcome run_script(const std::string& text) {
    const fs::path script = root() / "tests.sh";
    EXPECT_TRUE(write_script(script, "#!/bin/sh\n" + text));
    return run({"run", "--cpus", "2", "--format", "json", "--", script.string()});
  }
};

TEST_F(SubtestsE2eTest, OneFailureOfManyIsAFailureThoughTheProgramExitsZero) {
  REQUIRE_KERNEL(kKernel);
  const auto result = run_script(
      "echo TAP version 13\necho 1..3\necho ok 1 first\n"
      "echo '# expected 1, got 2'\necho not ok 2 second\necho 'ok 3 third # SKIP no gpu'\n");
  EXPECT_EQ(result.exit, 1) << result.err;
  const auto record = trial(result);
  EXPECT_EQ(record["title"], "second failed");
  EXPECT_EQ(record["kind"], "subtest");
  ASSERT_EQ(record["subtests"].size(), 3u);
  EXPECT_EQ(record["subtests"][1]["result"], "fail");
  EXPECT_EQ(record["subtests"][1]["reason"], "expected 1, got 2");
  EXPECT_NE(run({"report"}).out.find("fail  second: expected 1, got 2"), std::string::npos);
}

TEST_F(SubtestsE2eTest, KunitOnTheConsoleAndIgtCountToo) {
  REQUIRE_KERNEL(kKernel);
  const auto kunit = run_script(
      "{ echo KTAP version 1; echo 1..1; echo '    # Subtest: list'; echo '    1..1';"
      " echo '    ok 1 init'; echo ok 1 list; } | while IFS= read -r line; do echo \"$line\"; done "
      ">"
      " /dev/kmsg\n");
  EXPECT_EQ(kunit.exit, 0) << kunit.err;
  const auto igt = run_script(
      "echo 'IGT-Version: 1.27 (x86_64) (Linux: 6.1 x86_64)'\necho 'Starting subtest: a'\n"
      "echo 'Subtest a: SKIP (0.001s)'\nexit 77\n");
  EXPECT_EQ(igt.exit, 125) << igt.err;
  EXPECT_EQ(trial(igt)["kind"], "workload_unfit");
}

}  // namespace
}  // namespace ktrial::e2e
