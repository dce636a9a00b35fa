// The black box on a real wedge: with the CPUs stuck and the console silent, RAM still tells
// who made whom and who ran last.
#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <set>
#include <sstream>

#include "harness/base/file.h"
#include "harness/e2e/e2e.h"
#include "harness/trace/slice.h"

namespace ktrial::e2e {
namespace {
namespace fs = std::filesystem;

struct Story {
  std::map<int, int> parent_of;  // of every task made
  std::set<int> asleep_in_d;     // and not back at the end
  std::set<int> cpus_that_switched;
};

Story story_of(const std::string& text) {
  static const RE2 kFork(R"(sched_process_fork: .*\bpid=(\d+) .*child_pid=(\d+))");
  static const RE2 kSwitch(
      R"(\[(\d+)\] .*sched_switch: .*prev_pid=(\d+) .*prev_state=(\S+) ==> .*next_pid=(\d+))");
  Story out;
  std::istringstream stream(text);
  for (std::string line, state; std::getline(stream, line);) {
    int parent = 0, child = 0, cpu = 0, from = 0, to = 0;
    if (line.starts_with('#')) continue;
    if (RE2::PartialMatch(line, kFork, &parent, &child)) out.parent_of[child] = parent;
    if (!RE2::PartialMatch(line, kSwitch, &cpu, &from, &state, &to)) continue;
    out.cpus_that_switched.insert(cpu);
    out.asleep_in_d.erase(to);
    if (state.starts_with('D')) out.asleep_in_d.insert(from);
  }
  return out;
}

class TraceDrillTest : public E2eTest {
 protected:
  // One round where the bug struck: all that its black box must hold.
  void expect_the_wedge_in(const std::string& text, int round) {
    EXPECT_NE(text.find("# complete"), std::string::npos) << round << ": " << text.substr(0, 3000);
    const Story story = story_of(text);
    EXPECT_EQ(story.cpus_that_switched, (std::set<int>{0, 1, 2, 3})) << round;
    const bool waiting_parent = std::ranges::any_of(story.parent_of, [&](const auto& birth) {
      return story.asleep_in_d.contains(birth.second);
    });
    EXPECT_TRUE(waiting_parent) << round << ": nobody waits for a child of its own";
  }
};

// The black box alone; whether the console is silent or not: in each of the trace_rounds the trace
// is whole, and holds the child's creation, its parent going to sleep in state D, and the last
// switch of every CPU.
TEST_F(TraceDrillTest, EveryMmCidWedgeLeavesItsVforkAndTheLastSwitchOfEveryCpu) {
  REQUIRE_KERNEL(kBadKernel);
  int silent = 0, wedged = 0;
  for (int i = 0; i < rounds(); ++i) {
    const auto result = run({"run", "--kernel", kBadKernel, "--workload", "mmcid-vfork", "--cpus",
                             "4", "--results", root() / std::to_string(i), "--format", "json"});
    const auto one = trial(result);
    const std::string outcome = one.value("outcome", "none"), title = one.value("title", "");
    std::printf("round %d: %s %s\n", i, outcome.c_str(), title.c_str());
    if (outcome != "fail") continue;  // the bug is a race: it need not strike
    ++wedged;
    silent += title.starts_with("INFO: silent stall");
    const std::string text = read_file(one.value("artifacts", "") + "/trace.txt").value_or("");
    expect_the_wedge_in(text, i);
    std::printf("%s", text.substr(0, text.find("\n  ") + 1).c_str());
  }
  std::printf("%d wedged of %d, %d of them silent\n", wedged, rounds(), silent);
  EXPECT_GT(wedged, 0);
}

// Whatever the kernel reports, the black box is read: of a guest that stalls, that lives on after
// an oops or a warning, and of a machine that is gone.
TEST_F(TraceDrillTest, EveryPlantedFaultLeavesItsTrace) {
  REQUIRE_KERNEL(kKernel);
  for (const char* fault : {"warn", "oops", "bug", "panic", "triple_fault", "hung_task",
                            "soft_lockup", "rcu_stall", "hard_lockup_all"}) {
    const std::string results = (root() / fault).string();
    const auto result = run({"run", "--workload", "inject", "--set", std::string("fault=") + fault,
                             "--results", results, "--format", "json"});
    EXPECT_EQ(result.exit, 1) << fault << result.err;
    const auto story = trial(result).value("trace", nlohmann::json::object());
    EXPECT_EQ(story.value("source", ""), "RAM") << fault << result.err;
    EXPECT_EQ(story.value("complete", false), true) << fault;
    const std::string text = run({"trace", "--results", results}).out;
    EXPECT_NE(text.find("sched_process_exec: filename=/workloads/inject"), std::string::npos)
        << fault;
    std::printf("%s: %s; %d events\n", fault, trial(result).value("title", "?").c_str(),
                story.value("events", 0));
  }
}

// What a living guest sends at once is more than anything else on the channel: kernels differ in
// what their vsock makes of it.
TEST_F(TraceDrillTest, ALivingGuestSendsItsTraceOnEveryKernel) {
  int tried = 0;
  for (const char* kernel :
       {kKernel, "deb:linux-image-6.12.117+deb12-cloud-amd64", k618Kernel, kFixedKernel}) {
    if (!why_no_kernel(kernel).empty()) continue;
    const auto result =
        run({"run", "--kernel", kernel, "--workload", "smoke", "--cpus", "2", "--trace", "fork",
             "--results", root() / std::to_string(++tried), "--format", "json"});
    EXPECT_EQ(result.exit, 0) << kernel << result.err;
    const auto story = trial(result).value("trace", nlohmann::json::object());
    EXPECT_EQ(story.value("complete", false), true) << kernel << result.err;
    EXPECT_GT(story.value("events", 0), 0) << kernel;
  }
  if (tried == 0) GTEST_SKIP() << "none of the kernels is there";
}

// When tracing stopped, and when the report that made it stop had its second line.
TEST_F(TraceDrillTest, StopOnStallKeepsNothingOfWhatCameAfterTheReport) {
  REQUIRE_KERNEL(kKernel);
  struct Case {
    const char *fault, *append, *line;
  };
  const Case cases[] = {{"soft_lockup", "", "Modules linked in:"},
                        {"rcu_stall", "rcupdate.rcu_cpu_stall_timeout=6", "rcu: INFO: rcu_"},
                        {"hung_task", "", "INFO: task "}};
  for (const auto& [fault, append, line] : cases) {
    const std::string results = (root() / fault).string();
    const auto result =
        run({"run", "--workload", "inject", "--set", std::string("fault=") + fault, "--trace-stop",
             "stall", "--append", append, "--results", results, "--format", "json"});
    EXPECT_EQ(result.exit, 1) << fault << result.err;
    const std::string folder = trial(result).value("artifacts", "");
    const std::string log = read_file(folder + "/console.log").value_or("");
    const std::size_t at = log.find(line);
    ASSERT_NE(at, std::string::npos) << fault;
    const std::size_t begin = log.rfind('\n', at) + 1;
    const auto stamp = trace::stamp_us(std::string_view(log).substr(begin, at - begin));
    const auto end = trace::end_us(read_file(folder + "/trace.txt").value_or(""));
    ASSERT_TRUE(stamp && end) << fault;
    const auto report = trace::trace_time_us(*stamp, trace::clock_lead_us(log));
    EXPECT_LE(*end, report + 1000) << fault << ": traced after it was to stop";
    EXPECT_GE(*end + 2'000'000, report) << fault << ": stopped long before";
    std::printf("%s: the last event %.6f s before the report's line '%s'\n", fault,
                (static_cast<double>(report) - static_cast<double>(*end)) / 1e6, line);
  }
}

// The same workload where the bug is, and where it is not: what only the first does.
TEST_F(TraceDrillTest, TheMmCidWedgeDiffersFromPassingRunsByItsParentInStateD) {
  REQUIRE_KERNEL(kBadKernel);
  REQUIRE_KERNEL(kFixedKernel);
  const std::string bad = (root() / "bad").string(), good = (root() / "good").string();
  const auto mmcid = [&](const char* kernel, const std::string& results) {
    return run({"run", "--kernel", kernel, "--workload", "mmcid-vfork", "--cpus", "4", "--trace",
                "fork", "--set", "trace_rounds=10", "--results", results, "--format", "json"});
  };
  EXPECT_EQ(mmcid(kBadKernel, bad).exit, 1);
  const auto passing = mmcid(kFixedKernel, good);
  EXPECT_EQ(passing.exit, 0) << passing.err;
  const auto other = fs::directory_iterator(fs::path(good) / "runs")->path();
  const auto diff = run({"trace", "--results", bad, "--diff", other.string()});
  EXPECT_EQ(diff.exit, 0) << diff.err;
  EXPECT_EQ(diff.out.find("NOTE"), std::string::npos) << diff.out;
  const std::size_t failed = diff.out.find("only when it failed");
  const std::size_t held = diff.out.find("stays in state D: mmcid-vfork");
  EXPECT_LT(failed, held) << diff.out;
  EXPECT_LT(held, diff.out.find("of another frequency")) << diff.out;
  std::printf("%s", diff.out.c_str());
}

}  // namespace
}  // namespace ktrial::e2e
