// Drills on a healthy kernel whose host misbehaves, and on a broken one beside it: long,
// so under a label of their own. KTRIAL_DRILL_ROUNDS: how many of each (10).
#include <gmock/gmock.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <map>

#include "harness/base/file.h"
#include "harness/e2e/e2e.h"
#include "harness/e2e/two_faults.h"

namespace ktrial::e2e {
namespace {
namespace fs = std::filesystem;
using ::testing::HasSubstr;

// Processes that want a host CPU for ever; gone with this object, and with us.
class Hogs {
 public:
  explicit Hogs(int count) {
    for (int i = 0; i < count; ++i) {
      const pid_t pid = ::fork();
      if (pid == 0) {
        const pid_t parent = ::getppid();
        volatile unsigned long n = 0;
        for (;;) {
          n = n + 1;
          if (n % (1ul << 26) == 0 && ::getppid() != parent) ::_exit(0);
        }
      }
      pids_.push_back(pid);
    }
  }
  ~Hogs() {
    for (pid_t pid : pids_) {
      ::kill(pid, SIGKILL);
      ::waitpid(pid, nullptr, 0);
    }
  }

 private:
  std::vector<pid_t> pids_;
};

class DrillTest : public E2eTest {
 protected:
  // Runs `round` as often as asked; how often each exit code came.
  std::map<int, int> drill(const char* name, const std::function<Outcome()>& round) {
    std::map<int, int> exits;
    for (int i = 0; i < rounds(); ++i) {
      const Outcome result = round();
      ++exits[result.exit];
      const auto document = result.json();
      std::printf("%s %d: exit %d, %s, culprit \"%s\": %s\n", name, i + 1, result.exit,
                  document.value("outcome", "?").c_str(), document.value("culprit", "").c_str(),
                  document.value("reason", result.err).c_str());
      std::fflush(stdout);
    }
    return exits;
  }
  Running start_storm(const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments = {"run",        "--workload", "fork-storm",
                                          "--duration", "20s",        "--format",
                                          "json",       "--start",    started()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    Running running = start(arguments);
    EXPECT_TRUE(
        eventually([&] { return running.err().find("agent answered") != std::string::npos; },
                   std::chrono::seconds(240)))
        << running.err();
    return running;
  }
  virtual std::string started() const { return "cold"; }
  pid_t qemu() const {
    const auto found = processes("qemu-system");
    return found.empty() ? 0 : found.front();
  }
  // The thread of a vCPU.
  static pid_t vcpu_thread(pid_t process, int cpu) {
    std::error_code error;
    for (const auto& task :
         fs::directory_iterator("/proc/" + std::to_string(process) + "/task", error))
      if (read_file(task.path() / "comm", 64)
              .value_or("")
              .starts_with("CPU " + std::to_string(cpu) + "/"))
        return std::atoi(task.path().filename().c_str());
    return 0;
  }
};

// After a boot, and in a copy.
class BusyHostDrillTest : public DrillTest, public testing::WithParamInterface<const char*> {
 protected:
  std::string started() const override { return GetParam(); }
};
INSTANTIATE_TEST_SUITE_P(Start, BusyHostDrillTest, testing::Values("cold", "warm"),
                         [](const auto& start) { return std::string(start.param); });

#define REQUIRE_START() \
  if (on_libvirt() && started() == "warm") GTEST_SKIP() << "machines of libvirt's always boot"

TEST_P(BusyHostDrillTest, AVcpuThatTheHostStarvesIsNoFailure) {
  REQUIRE_START();
  REQUIRE_KERNEL(kKernel);
  auto exits = drill("starved vCPU", [&] {
    Running running = start_storm();
    const Hogs hogs(6);
    const pid_t thread = vcpu_thread(qemu(), 1);
    const sched_param parameters{};
    EXPECT_GT(thread, 0);
    EXPECT_EQ(::sched_setscheduler(thread, SCHED_IDLE, &parameters), 0);
    return running.wait(std::chrono::seconds(400));
  });
  EXPECT_EQ(exits[0] + exits[125], rounds());
}

TEST_P(BusyHostDrillTest, AQemuThatIsStoppedForAWhileIsNoFailure) {
  REQUIRE_START();
  REQUIRE_KERNEL(kKernel);
  auto exits = drill("stopped QEMU", [&] {
    // With two vCPUs the limits are short enough for the guest to complain of the gap.
    Running running = start_storm({"--cpus", "2"});
    const pid_t process = qemu();
    ::kill(process, SIGSTOP);
    // The drill itself is a span of time: as long as a watchdog waits.
    ::sleep(15);
    ::kill(process, SIGCONT);
    return running.wait(std::chrono::seconds(400));
  });
  EXPECT_EQ(exits[0] + exits[125], rounds());
}

TEST_P(BusyHostDrillTest, SixteenVcpusOnABusyHostAreNoFailure) {
  REQUIRE_START();
  REQUIRE_KERNEL(kKernel);
  auto exits = drill("16 vCPUs, 12 hogs", [&] {
    const Hogs hogs(12);
    Running running = start_storm({"--cpus", "16"});
    return running.wait(std::chrono::seconds(900));
  });
  EXPECT_EQ(exits[0] + exits[125], rounds());
}

TEST_F(DrillTest, ARealWedgeOnABusyHostIsAFailure) {
  REQUIRE_KERNEL(kBadKernel);
  auto exits = drill("mm_cid, 12 hogs", [&] {
    const Hogs hogs(12);
    Running running =
        start({"run", "--kernel", kBadKernel, "--workload", "mmcid-vfork", "--format", "json"});
    return running.wait(std::chrono::seconds(900));
  });
  EXPECT_GE(exits[1] * 10, rounds() * 9);
}

// It hangs within its first second: fifteen seconds later it is judged.
TEST_P(BusyHostDrillTest, TheModelRegressionIsFoundWithItsCulprit) {
  REQUIRE_START();
  REQUIRE_KERNEL(kBadKernel);
  int named = 0, soon = 0;
  auto exits = drill("mm_cid", [&] {
    const Outcome result = run({"run", "--kernel", kBadKernel, "--workload", "mmcid-vfork",
                                "--start", started(), "--format", "json"});
    const auto one = trial(result);
    named += one.value("culprit", "") == "mm_get_cid";
    const double seconds = one.value("duration_s", 0.0) - one.value("boot_s", 0.0);
    soon += seconds <= 16;
    std::printf("mm_cid, %s: %.1f s after hello\n", started().c_str(), seconds);
    return result;
  });
  EXPECT_EQ(exits[1], rounds());
  EXPECT_EQ(named, rounds());
  EXPECT_GE(soon * 10, rounds() * 9) << "on a quiet host all of them";
}

// One run of many copies: not one `fail`, and none that had to boot.
TEST_F(DrillTest, CopiesOfHealthyKernelsPass) {
  REQUIRE_DIRECT_QEMU("its machines always boot");
  const struct {
    std::string kernel, workload;
    int copies;
  } runs[] = {{kKernel, "fork-storm", 5 * rounds()},
              {kFixedKernel, "mmcid-vfork", 2 * rounds()},
              {k618Kernel, "mmcid-vfork", 2 * rounds()}};
  for (const auto& [kernel, workload, copies] : runs) {
    REQUIRE_KERNEL(kernel);
    Running running =
        start({"run", "--kernel", kernel, "--workload", workload, "--duration", "5s", "--start",
               "warm", "--repeat", std::to_string(copies), "--format", "json"});
    const auto result = running.wait(std::chrono::seconds(60 * copies));
    const auto document = result.json();
    std::map<std::string, int> outcomes;
    for (const auto& one : document["trials"])
      ++outcomes[one.value("start", "?") + " " + one.value("outcome", "?")];
    for (const auto& [what, times] : outcomes)
      std::printf("%s, %s: %d x %s\n", kernel.c_str(), workload.c_str(), times, what.c_str());
    std::fflush(stdout);
    EXPECT_EQ(outcomes["warm pass"], copies) << result.err;
  }
}

// SCHED_DEADLINE beside CPU hotplug: 6.12 throttles threads for good, and no detector speaks.
TEST_F(DrillTest, ThreadsThatNoCpuRunsAreTold) {
  REQUIRE_KERNEL(k612Kernel);
  const auto result = run(
      {"run",           "--kernel", k612Kernel,       "--workload", "sched-storm",  "--duration",
       "30s",           "--set",    "deadlines=true", "--set",      "policy=false", "--set",
       "nice=false",    "--set",    "clamps=false",   "--set",      "groups=false", "--set",
       "chains=false",  "--set",    "wakeups=false",  "--set",      "timers=false", "--set",
       "hotplug_ms=20", "--set",    "limit_s=4",      "--format",   "json"});
  EXPECT_EQ(result.exit, 1) << result.err;
  const auto one = trial(result);
  EXPECT_EQ(one.value("kind", ""), "workload_stall");
  EXPECT_THAT(one.value("reason", ""), HasSubstr("invariant broken: deadlines took"));
  EXPECT_THAT(one["incident"].dump(), HasSubstr("R, and no CPU runs it"));
}

TEST_F(DrillTest, TwoFaultsInOneGuestAreBothTold) {
  // The module needs headers; of 6.19 the archive has none any more.
  for (const std::string& kernel : {std::string(kKernel), std::string(k612Kernel),
                                    std::string("deb:linux-binary-7.3.4+deb13-cloud-amd64")}) {
    REQUIRE_KERNEL(kernel);
    for (const TwoFaults& faults :
         {kWarnThenOops,
          // The lockup is told after four seconds and a bit; by 7.3.4 under emulation after seven.
          TwoFaults{"soft_lockup", "panic", "9", "soft lockup in ktrial_soft_lockup",
                    "ktrial planted this panic", "soft lockup in ktrial_soft_lockup"},
          TwoFaults{"warn", "warn_again", "5", "WARNING in ktrial_warn",
                    "WARNING in ktrial_warn_again", "WARNING in ktrial_warn"}}) {
      SCOPED_TRACE(kernel + ": " + faults.fault + ", then " + faults.then);
      const auto result = run(arguments_for(faults, kernel));
      expect_both(faults, result, trial(result));
    }
  }
}

}  // namespace
}  // namespace ktrial::e2e
