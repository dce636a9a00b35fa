// The black box, from a kernel's command line to `ktrial trace`.
#include <algorithm>
#include <sstream>

#include "harness/base/file.h"
#include "harness/e2e/e2e.h"

namespace ktrial::e2e {
namespace {
namespace fs = std::filesystem;

class TraceTest : public E2eTest {
 protected:
  // Process 1 never speaks: at the time limit the guest is looked at from outside.
  Outcome run_hang(const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments = {"run",
                                          "--cpus",
                                          "2",
                                          "--timeout",
                                          "15s",
                                          "--format",
                                          "json",
                                          "--workload",
                                          "inject",
                                          "--append",
                                          "rdinit=/workloads/inject ktrial_fault=early_hang"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run(arguments);
  }
  std::string trace_text() const {
    return read_file(run_folder() / "trials/000/trace.txt").value_or("");
  }
};

TEST_F(TraceTest, AGuestThatIsLookedAtLeavesItsTrace) {
  REQUIRE_KERNEL(kKernel);
  const auto result = run_hang();
  EXPECT_EQ(result.exit, 125) << result.err;
  const std::string text = trace_text();
  EXPECT_NE(text.find("# complete: as many as the kernel counted"), std::string::npos)
      << text.substr(0, 2000);
  EXPECT_NE(text.find("sched_process_exec: filename=/workloads/inject"), std::string::npos);
  EXPECT_NE(text.find("sched_process_fork: "), std::string::npos);
  EXPECT_NE(text.find("[001]"), std::string::npos) << "both CPUs";
  EXPECT_TRUE(fs::exists(run_folder() / "trials/000/trace.dat"));
  const auto json = read_file(run_folder() / "trials/000/trace.json");
  EXPECT_TRUE(json && nlohmann::json::accept(*json));

  EXPECT_EQ(run({"trace"}).out, text);
  const auto slice = run({"trace", "last", "--around", "end", "--window", "2s", "--cpu", "0"});
  EXPECT_EQ(slice.exit, 0) << slice.err;
  std::istringstream stream(slice.out);
  for (std::string line; std::getline(stream, line);)
    EXPECT_NE(line.find("[000]"), std::string::npos) << line;
  EXPECT_LT(slice.out.size(), text.size());
  EXPECT_EQ(run({"trace", "--around", "no such report"}).exit, 129);
}

TEST_F(TraceTest, WithTraceOffThereIsNone) {
  REQUIRE_KERNEL(kKernel);
  const auto result = run_hang({"--trace", "off"});
  EXPECT_EQ(result.exit, 125) << result.err;
  EXPECT_EQ(trace_text(), "");
  const auto shown = run({"trace"});
  EXPECT_EQ(shown.exit, 129);
  EXPECT_NE(shown.err.find("has no trace"), std::string::npos) << shown.err;
}

}  // namespace
}  // namespace ktrial::e2e
