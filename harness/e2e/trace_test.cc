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

TEST_F(TraceTest, ThePictureAndTheStoryOfAStalledGuestAreKept) {
  REQUIRE_KERNEL(kKernel);
  const auto result = run_hang();
  const auto json = nlohmann::json::parse(result.out, nullptr, false);
  ASSERT_FALSE(json.is_discarded()) << result.out;
  const auto& story = json.at("trials").at(0).at("trace");
  EXPECT_EQ(story.at("source"), "RAM");
  EXPECT_EQ(story.at("complete"), true);
  EXPECT_GT(story.at("events").get<int>(), 100);
  EXPECT_EQ(story.at("cpus").size(), 2u);
  EXPECT_FALSE(story.at("forks").empty());
  const auto picture = read_file(run_folder() / "trials/000/trace.svg");
  ASSERT_TRUE(picture);
  EXPECT_NE(picture->find("</svg>"), std::string::npos);
  const fs::path mine = run_folder() / "mine.svg";
  EXPECT_EQ(run({"trace", "--svg", mine.string()}).exit, 0);
  EXPECT_EQ(read_file(mine).value_or("").substr(0, 5), "<?xml");
  const auto report = run({"report", "last"}).out;
  EXPECT_NE(report.find("\nTrace: trial 0, "), std::string::npos) << report;
  const auto alone = run({"trace", "--diff", "last"});
  EXPECT_EQ(alone.exit, 129) << "there is nothing to compare with";
  EXPECT_NE(alone.err.find("no other trial"), std::string::npos) << alone.err;
}

TEST_F(TraceTest, ADumpOnTheConsoleBecomesTheTrace) {
  REQUIRE_KERNEL(kKernel);
  const auto result = run({"run", "--cpus", "2", "--format", "json", "--workload", "inject",
                           "--set", "fault=panic", "--append", "ftrace_dump_on_oops"});
  EXPECT_EQ(result.exit, 1) << result.err;
  const std::string log = read_file(run_folder() / "trials/000/console.log").value_or("");
  ASSERT_NE(log.find("Dumping ftrace buffer:"), std::string::npos);
  const auto count = [](const std::string& text, const char* what) {
    std::size_t out = 0;
    for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1))
      ++out;
    return out;
  };
  const std::string text = trace_text();
  EXPECT_TRUE(text.starts_with("# source: console\n")) << text.substr(0, 500);
  for (const char* event :
       {": sched_switch: ", ": sched_process_fork: ", ": sched_process_exec: "}) {
    EXPECT_GT(count(log, event), 0u) << event;
    EXPECT_EQ(count(text, event), count(log, event)) << event;
  }
  const std::string file = (run_folder() / "trials/000/console.log").string();
  EXPECT_EQ(run({"trace", "--console", file}).out, text);
  EXPECT_EQ(run({"trace"}).out, text);
}

}  // namespace
}  // namespace ktrial::e2e
