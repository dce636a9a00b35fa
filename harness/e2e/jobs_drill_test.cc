// Many jobs, of which some are killed, and some whose parent is: nothing is left behind, no record
// is lost or doubled, each loss is named. And the same verdicts whoever runs the machines.
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <map>
#include <random>
#include <set>

#include "harness/e2e/e2e.h"

namespace ktrial::e2e {
namespace {
namespace fs = std::filesystem;

class JobsDrill : public E2eTest {
 protected:
  // Chance, not a wait for anything.
  static void moments(unsigned count) { ::usleep(count * 50'000); }
  // Runs that the store has, by their state; each trial is committed once or not at all.
  std::map<std::string, int> states(int& trials) {
    std::map<std::string, int> out;
    trials = 0;
    std::error_code error;
    for (const auto& folder : fs::directory_iterator(root() / "state/ktrial/runs", error)) {
      const auto report = run({"report", folder.path().string(), "--format", "json"});
      EXPECT_EQ(report.exit, 0) << report.err;
      const auto json = report.json();
      ++out[json.value("state", "?")];
      EXPECT_FALSE(json.contains("unreadable"));
      EXPECT_LE(json["trials"].size(), 1u);
      trials += static_cast<int>(json["trials"].size());
    }
    return out;
  }
};

// Three at a time; two jobs are killed, and, when six have begun and some passed, the parent. Five
// times.
TEST_F(JobsDrill, ThirtyJobsTenKillsOfJobsFiveOfTheParent) {
  REQUIRE_KERNEL(kKernel);
  std::mt19937 random(20260301);
  int killed = 0, named = 0, told = 0;
  for (int parent = 0; parent < 5; ++parent) {
    Running running = start({"run", "--jobs", "3", "--repeat", "50", "--cpus", "1", "--memory",
                             "256M", "--", "sleep", "1"});
    for (int losses = 0; losses < 2;) {
      ASSERT_TRUE(eventually([&] { return !jobs().empty() || processes().empty(); }));
      moments(random() % 60);
      const auto alive = jobs();
      ASSERT_FALSE(processes().empty()) << "it ended too soon: " << running.err();
      if (alive.empty()) continue;
      ::kill(alive[random() % alive.size()], SIGKILL);
      ++killed;
      ++losses;
      EXPECT_TRUE(eventually([&] { return count(running.err(), "was lost: ") == losses; }))
          << running.err();
    }
    EXPECT_TRUE(eventually([&] {
      return running.err().find("[6] ") != std::string::npos &&
             running.err().find("trial 0: pass after") != std::string::npos;
    })) << running.err();
    moments(random() % 60);
    running.signal(SIGKILL);
    const auto result = running.wait();
    EXPECT_EQ(result.exit, 128 + SIGKILL) << result.err;
    named += count(result.err, "was lost: its process was killed by SIGKILL");
    told += count(result.err, "trial 0: pass after");
    EXPECT_TRUE(eventually([&] { return processes().empty() && temporary_files().empty(); }));
    if (on_libvirt()) {
      EXPECT_TRUE(eventually([&] { return daemon().machines().empty(); }));
    }
  }
  int trials = 0;
  auto found = states(trials);
  std::printf(
      "killed 10+5: %d jobs killed, %d losses named, %d trials told, %d in the store; "
      "runs: %d finished, %d interrupted\n",
      killed, named, told, trials, found["finished"], found["interrupted"]);
  std::fflush(stdout);
  EXPECT_EQ(killed, 10);
  EXPECT_EQ(named, killed);
  EXPECT_GE(told, 5);
  EXPECT_GE(trials, told) << "what was told is in the store";
  EXPECT_LE(trials, told + 15) << "what was not told was committed as its process was killed";
  EXPECT_EQ(found["running"], 0);
  EXPECT_GE(found["finished"] + found["interrupted"], 30);
}

// A matrix of a healthy and a broken kernel, three at a time.
TEST_F(JobsDrill, TheSameVerdictsWhoeverRunsTheMachines) {
  REQUIRE_KERNEL(kFixedKernel);
  REQUIRE_KERNEL(kBadKernel);
  ASSERT_TRUE(
      write_file_atomically(root() / "m.toml", "workload = 'mmcid-vfork'\n[matrix]\nkernel = ['" +
                                                   std::string(kFixedKernel) + "', '" + kBadKernel +
                                                   "']\ncpus = [3, 4]\n"));
  const auto verdicts = [&](const std::vector<std::string>& more) {
    std::vector<std::string> words = {
        "run", (root() / "m.toml").string(), "--jobs", "3", "--format", "json"};
    words.insert(words.end(), more.begin(), more.end());
    Running running = start(words);
    const auto result = running.wait(std::chrono::minutes(30));
    EXPECT_EQ(result.exit, 1) << result.err;
    std::map<std::string, std::string> out;
    auto json = result.json();
    for (const auto& trial : json["trials"])
      out[trial["cell"]] =
          trial["outcome"].get<std::string>() + " " + trial["culprit"].get<std::string>();
    for (const auto& [cell, verdict] : out)
      std::printf("%s: %s: %s\n", more.empty() ? "as given" : more.back().c_str(), cell.c_str(),
                  verdict.c_str());
    std::fflush(stdout);
    return out;
  };
  const auto direct = verdicts({"--vmm", "qemu"});
  EXPECT_EQ(direct.size(), 4u);
  if (!on_libvirt()) use_libvirt();
  EXPECT_EQ(verdicts({}), direct);
}

TEST_F(JobsDrill, ABisectionTwoAtATimeFindsTheSame) {
  REQUIRE_KERNEL(kBadKernel);
  REQUIRE_KERNEL(kFixedKernel);
  Running running =
      start({"bisect", "--parallel", "2", "--packages", "linux-image-6.19*-cloud-amd64", "--bad",
             "6.19.6", "--good", "6.19.14", "--workload", "mmcid-vfork"});
  const auto result = running.wait(std::chrono::minutes(40));
  EXPECT_EQ(result.exit, 0) << result.err;
  EXPECT_NE(result.out.find("first good  linux-image-6.19.10"), std::string::npos) << result.out;
  EXPECT_NE(result.out.find("mm_get_cid"), std::string::npos) << result.out;
}

}  // namespace
}  // namespace ktrial::e2e
