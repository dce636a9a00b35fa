// The black box on a real wedge: with the CPUs stuck and the console silent, RAM still tells
// who made whom and who ran last.
#include <re2/re2.h>

#include <cstdio>
#include <map>
#include <set>
#include <sstream>

#include "harness/base/file.h"
#include "harness/e2e/e2e.h"

namespace ktrial::e2e {
namespace {

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

using TraceDrillTest = E2eTest;

TEST_F(TraceDrillTest, TheMmCidWedgeLeavesItsVforkAndTheLastSwitchOfEveryCpu) {
  REQUIRE_KERNEL(kBadKernel);
  const auto result = run({"run", "--kernel", kBadKernel, "--workload", "mmcid-vfork", "--cpus",
                           "4", "--format", "json"});
  EXPECT_EQ(result.exit, 1) << result.err;
  const auto text = read_file(run_folder() / "trials/000/trace.txt");
  ASSERT_TRUE(text) << text.error().message;
  EXPECT_NE(text->find("# complete"), std::string::npos) << text->substr(0, 3000);
  const Story story = story_of(*text);
  EXPECT_EQ(story.cpus_that_switched, (std::set<int>{0, 1, 2, 3}));
  bool waiting_parent = false;
  for (const auto& [child, parent] : story.parent_of)
    waiting_parent = waiting_parent || story.asleep_in_d.contains(parent);
  EXPECT_TRUE(waiting_parent) << "nobody waits for a child of its own";
  std::printf("%s", text->substr(0, text->find("\n  ") + 1).c_str());
}

}  // namespace
}  // namespace ktrial::e2e
