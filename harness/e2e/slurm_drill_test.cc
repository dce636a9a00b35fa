// What befalls a cluster, once and again: as many records as trials, none doubled, each loss named.
// KTRIAL_DRILL_ROUNDS: how often each (10).
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <thread>

#include "harness/e2e/slurm_fixture.h"

namespace ktrial::e2e {
namespace {
namespace fs = std::filesystem;

class SlurmDrill : public SlurmFixture {
 protected:
  static constexpr int kTrials = 2;  // of each of two cells
  static constexpr auto kAway = std::chrono::seconds(10);

  std::vector<std::string> words(const std::string& command, const std::string& what) {
    return {"campaign", command, what, "--engine", "slurm", "--results", results()};
  }

  // A small night, in which `trouble` comes while a task runs; gone on with if that ended it.
  // `named`: what has to be said of it.
  void drill(const char* name, const std::function<void(Running&)>& trouble,
             const std::string& named) {
    int made_good = 0;
    for (int round = 0; round < rounds() && !HasFailure(); ++round) {
      const std::string file = plan(kTrials, "['sleep', '3']");
      const int before = records();
      std::string err;
      {
        Running night = start(words("run", file));
        ASSERT_TRUE(
            eventually([&] { return !tasks_of_ktrial().empty(); }, std::chrono::seconds(240)))
            << night.err();
        ::usleep(static_cast<useconds_t>(round) * 300'000);  // chance, not a wait for anything
        trouble(night);
        const auto result = night.wait(std::chrono::seconds(600));
        err = result.err;
        if (result.exit != 0) {
          const auto more = run(words("resume", "small"));
          EXPECT_EQ(more.exit, 0) << err << more.err;
          err += more.err;
        }
      }
      EXPECT_EQ(records() - before, 2 * kTrials) << name << ": lost or doubled\n" << err;
      const auto report =
          run({"campaign", "report", "small", "--results", results(), "--format", "json"}).json();
      for (const auto& cell : report["cells"]) {
        EXPECT_EQ(cell["pass"], kTrials) << err;
        EXPECT_EQ(cell["trials"], kTrials) << err;
      }
      EXPECT_NE(err.find(named), std::string::npos) << name << "\n" << err;
      made_good += HasFailure() ? 0 : 1;
      EXPECT_TRUE(eventually([&] { return processes().empty(); }));
    }
    std::printf("drill %s: %d of %d\n", name, made_good, rounds());
    std::fflush(stdout);
  }

  std::string a_running_task() {
    std::string task;
    EXPECT_TRUE(eventually([&] {
      const auto tasks = slurm().tasks("RUNNING");
      if (!tasks.empty()) task = tasks.front();
      return !tasks.empty();
    }));
    return task;
  }
};

#define REQUIRE_FLEET() \
  REQUIRE_SLURM();      \
  REQUIRE_KERNEL(kKernel)

TEST_F(SlurmDrill, ATaskIsKilled) {
  REQUIRE_FLEET();
  drill(
      "killed",
      [&](Running&) {
        const auto tasks = tasks_of_ktrial();
        if (!tasks.empty()) ::kill(tasks.front(), SIGKILL);
      },
      "a job was lost on desk: FAILED");
}

TEST_F(SlurmDrill, ATaskIsCancelledByAnother) {
  REQUIRE_FLEET();
  drill(
      "scancel", [&](Running&) { (void)slurm().ask({"scancel", a_running_task()}); },
      "a job was lost on desk: CANCELLED");
}

// With --no-requeue the scheduler refuses; one that has it begins again.
TEST_F(SlurmDrill, ATaskIsPutBack) {
  REQUIRE_FLEET();
  drill(
      "requeue",
      [&](Running&) {
        const std::string task = a_running_task();
        (void)slurm().ask({"scontrol", "update", "JobId=" + task, "Requeue=1"});
        EXPECT_TRUE(slurm().ask({"scontrol", "requeue", task}));
      },
      "");
}

TEST_F(SlurmDrill, TheNodeIsSetDown) {
  REQUIRE_FLEET();
  drill(
      "node down",
      [&](Running&) {
        const std::string node = std::string("NodeName=") + PrivateSlurm::kNode;
        EXPECT_TRUE(slurm().ask({"scontrol", "update", node, "State=DOWN", "Reason=drill"}));
        EXPECT_TRUE(eventually([&] { return tasks_of_ktrial().empty(); }));
        // Refused when it has come back by itself (ReturnToService).
        (void)slurm().ask({"scontrol", "update", node, "State=RESUME"});
      },
      "a job was lost on desk: NODE_FAIL");
}

TEST_F(SlurmDrill, TheControllerIsRestarted) {
  REQUIRE_FLEET();
  drill(
      "slurmctld restarted",
      [&](Running&) {
        slurm().kill_controller();
        EXPECT_TRUE(slurm().start_controller());
      },
      "");
}

TEST_F(SlurmDrill, KtrialIsKilled) {
  REQUIRE_FLEET();
  drill("ktrial kill -9", [&](Running& night) { night.signal(SIGKILL); }, "");
}

// As a file server that is gone: something else is in its place, so that nobody makes it anew.
TEST_F(SlurmDrill, TheResultsFolderIsAwayForAWhile) {
  REQUIRE_FLEET();
  drill(
      "results away",
      [&](Running&) {
        const fs::path away = root() / "away";
        fs::rename(results(), away);
        EXPECT_TRUE(write_file_atomically(results(), ""));
        std::this_thread::sleep_for(scaled(kAway));
        fs::remove(results());
        fs::rename(away, results());
      },
      "");
}

}  // namespace
}  // namespace ktrial::e2e
