// Several trials at once: each a process, that can be killed, and so can who started it.
#include <signal.h>

#include <set>

#include "harness/e2e/e2e.h"

namespace ktrial::e2e {
namespace {

class JobsTest : public E2eTest {
 protected:
  // Trials that go on until they are ended, in guests that are up.
  Running start_endless(int jobs_at_once) {
    Running running = start({"run", "--jobs", std::to_string(jobs_at_once), "--repeat",
                             std::to_string(jobs_at_once), "--cpus", "1", "--memory", "256M",
                             "--start", "warm", "--timeout", "30m", "--", "sleep", "1000"});
    EXPECT_TRUE(eventually([&] { return count(running.err(), "running sleep") == jobs_at_once; },
                           std::chrono::seconds(240)))
        << running.err();
    return running;
  }
};

TEST_F(JobsTest, ThreeAtOnceAreOneResultOfThreeRuns) {
  REQUIRE_KERNEL(kKernel);
  const auto result = run({"run", "--jobs", "3", "--repeat", "3", "--cpus", "1", "--memory", "256M",
                           "--workload", "smoke", "--format", "json"});
  EXPECT_EQ(result.exit, 0) << result.err;
  const auto json = result.json();
  ASSERT_TRUE(json.is_object()) << result.out;
  ASSERT_EQ(json["trials"].size(), 3u);
  std::set<std::string> runs;
  for (int i = 0; i < 3; ++i) {
    const auto& trial = json["trials"][static_cast<std::size_t>(i)];
    EXPECT_EQ(trial["index"], i);
    EXPECT_EQ(trial["outcome"], "pass");
    runs.insert(trial["run"]);
  }
  EXPECT_EQ(runs.size(), 3u);
  for (const std::string& id : runs) {
    EXPECT_EQ(run({"report", id, "--format", "json"}).json()["state"], "finished");
    EXPECT_NE(result.err.find("[1] trial 0: "), std::string::npos) << result.err;
  }
}

// The two finished verdicts of a matrix were never told when its third kernel was missing.
TEST_F(JobsTest, AMatrixWithAMissingKernelTellsTheOthersVerdicts) {
  REQUIRE_KERNEL(kKernel);
  ASSERT_TRUE(write_file_atomically(
      root() / "m.toml", "workload = 'smoke'\nmemory = '256M'\n[matrix]\nkernel = ['" +
                             std::string(kKernel) + "', '/nonexistent/bzImage']\ncpus = [1]\n"));
  const auto result = run({"run", (root() / "m.toml").string(), "--format", "json"});
  EXPECT_EQ(result.exit, 129) << result.err;
  EXPECT_NE(result.err.find("/nonexistent/bzImage"), std::string::npos) << result.err;
  const auto json = result.json();
  ASSERT_TRUE(json.is_object()) << result.out;
  ASSERT_EQ(json["trials"].size(), 1u);
  EXPECT_EQ(json["trials"][0]["outcome"], "pass");
  ASSERT_EQ(json["runs"].size(), 2u);
  EXPECT_EQ(json["runs"][0]["problem"], "");
  EXPECT_NE(json["runs"][1]["problem"], "");
  EXPECT_EQ(json["runs"][1]["cell"], "kernel=/nonexistent/bzImage cpus=1");
}

TEST_F(JobsTest, AJobThatIsKilledIsLostAloneAndNamed) {
  REQUIRE_KERNEL(kKernel);
  Running running = start_endless(2);
  const auto both = jobs();
  ASSERT_EQ(both.size(), 2u);
  ::kill(both.front(), SIGKILL);
  ASSERT_TRUE(eventually([&] { return running.err().find("was lost: ") != std::string::npos; }))
      << running.err();
  EXPECT_EQ(jobs(), std::vector<pid_t>{both.back()}) << "the other one runs on";
  running.signal(SIGINT);
  const auto result = running.wait();
  EXPECT_EQ(result.exit, 130) << result.err;
  EXPECT_NE(result.err.find("was lost: its process was killed by SIGKILL"), std::string::npos)
      << result.err;
}

TEST_F(JobsTest, KillNineOfTheParentLeavesNothing) {
  REQUIRE_KERNEL(kKernel);
  Running running = start_endless(2);
  running.signal(SIGKILL);
  EXPECT_EQ(running.wait().exit, 128 + SIGKILL);
  EXPECT_TRUE(eventually([&] { return processes().empty() && temporary_files().empty(); }));
  const auto list = run({"report", "--list", "--format", "json"}).json()["runs"];
  ASSERT_EQ(list.size(), 2u);
  for (const auto& one : list) EXPECT_EQ(one["state"], "interrupted");
}

TEST_F(JobsTest, AJobFileRunsAgainAsItWas) {
  REQUIRE_KERNEL(kKernel);
  EXPECT_EQ(run({"run", "--cpus", "1", "--memory", "256M", "--", "echo", "hello"}).exit, 0);
  const auto again = run({"job", (run_folder() / "job.json").string()});
  EXPECT_EQ(again.exit, 0) << again.err;
  EXPECT_NE(again.out.find("hello\\n"), std::string::npos) << again.out;
  EXPECT_NE(again.out.find(R"("event":"ended","exit":0)"), std::string::npos) << again.out;
  ASSERT_TRUE(write_file_atomically(root() / "odd.json", R"({"schema": 1, "spec": {"cpu": 1}})"));
  const auto odd = run({"job", (root() / "odd.json").string()});
  EXPECT_EQ(odd.exit, 129);
  EXPECT_NE(odd.err.find("odd.json: spec.cpu: is not known; is it cpus?"), std::string::npos)
      << odd.err;
}

}  // namespace
}  // namespace ktrial::e2e
