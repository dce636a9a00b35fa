#include "harness/autopsy/host_watch.h"

#include <gtest/gtest.h>

#include "harness/base/file.h"

namespace ktrial::autopsy {
namespace {
namespace fs = std::filesystem;
using namespace std::chrono_literals;

// A /proc of our own: one QEMU with two vCPU threads.
class HostWatchTest : public testing::Test {
 protected:
  void write(const fs::path& name, const std::string& text) {
    fs::create_directories((dir->path() / name).parent_path());
    ASSERT_TRUE(write_file_atomically(dir->path() / name, text));
  }
  void state(char process_state, double ran0, double wait0, double ran1, double wait1) {
    write("7/stat", std::string("7 (qemu (x) y) ") + process_state + " 1 7");
    write("7/task/7/comm", "qemu-system-x86\n");
    write("7/task/7/schedstat", "1 1 1\n");
    thread(0, ran0, wait0);
    thread(1, ran1, wait1);
    write("pressure/cpu", "some avg10=42.50 avg60=1.00 avg300=0.00 total=1\nfull avg10=0\n");
  }
  void thread(int cpu, double ran, double waited) {
    const std::string task = "7/task/" + std::to_string(10 + cpu);
    write(task + "/comm", "CPU " + std::to_string(cpu) + "/TCG\n");
    write(task + "/schedstat", std::to_string(static_cast<long long>(ran * 1e9)) + " " +
                                   std::to_string(static_cast<long long>(waited * 1e9)) + " 5\n");
  }
  // Samples each second for `n` seconds with the given growth per second.
  HostEvidence run(int n, char process_state, double ran0, double wait0, double ran1, double wait1,
                   Clock::duration spacing = 1s) {
    HostWatch watch(7, dir->path());
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i <= n; ++i) {
      state(process_state, i * ran0, i * wait0, i * ran1, i * wait1);
      watch.sample(begin + i * spacing);
    }
    return watch.since(begin);
  }
  Result<TempDir> dir = TempDir::create();
};

TEST_F(HostWatchTest, EachSecondThatAVcpuWaitedIsToldWithItsPlaceInTime) {
  HostWatch watch(7, dir->path());
  const auto begin = std::chrono::steady_clock::now();
  const double waited[] = {0, .02, .62, .64};  // of vCPU 1, in all
  for (int i = 0; i < 4; ++i) {
    state('S', i * .9, 0, i * .3, waited[i]);
    watch.sample(begin + i * 1s);
  }
  const auto troubles = watch.troubles();
  ASSERT_EQ(troubles.size(), 1u);
  EXPECT_EQ(troubles[0].cpu, 1);
  EXPECT_EQ(troubles[0].from, begin + 1s);
  EXPECT_EQ(troubles[0].to, begin + 2s);
  EXPECT_EQ(troubles[0].what, "waited 0.60 of 1.00 s for a host CPU");
}

TEST_F(HostWatchTest, AStoppedQemuAndALateKtrialAreTroublesOfTheWholeGuest) {
  HostWatch watch(7, dir->path());
  const auto begin = std::chrono::steady_clock::now();
  state('T', 0, 0, 0, 0);
  watch.sample(begin);
  watch.sample(begin + 1s);
  state('S', 0, 0, 0, 0);
  watch.sample(begin + 2s);
  watch.sample(begin + 7s);
  const auto troubles = watch.troubles();
  ASSERT_EQ(troubles.size(), 2u);
  EXPECT_EQ(troubles[0].cpu, -1);
  EXPECT_EQ(troubles[0].what, "QEMU was stopped");
  EXPECT_EQ(troubles[0].to, begin + 1s);
  EXPECT_EQ(troubles[1].what, "ktrial itself was held up for 4.0 s");
}

TEST_F(HostWatchTest, ASpinningGuestIsNotExplainedByTheHost) {
  auto evidence = run(20, 'S', .5, .5, .5, .5);  // two vCPUs share one host CPU
  EXPECT_NEAR(evidence.window_s, 20, .01);
  EXPECT_NEAR(evidence.pressure, 42.5, .01);
  ASSERT_EQ(evidence.vcpus.size(), 2u);
  EXPECT_NEAR(evidence.vcpus[1].ran_s, 10, .01);
  EXPECT_EQ(host_explains(evidence), "");
}

TEST_F(HostWatchTest, AnIdleGuestIsNotExplainedByTheHost) {
  EXPECT_EQ(host_explains(run(20, 'S', 0, 0, .01, 0)), "");
}

TEST_F(HostWatchTest, AStarvedVcpuIsNamed) {
  auto evidence = run(21, 'S', .9, .1, .01, .98);
  EXPECT_NE(host_explains(evidence).find("vCPU 1 for 21 s"), std::string::npos)
      << host_explains(evidence);
  EXPECT_EQ(host_explains(evidence, 0), "");
}

// Its wait is not in schedstat before it ends.
TEST_F(HostWatchTest, AVcpuThatStillWaitsIsNamed) {
  HostWatch watch(7, dir->path());
  const auto begin = std::chrono::steady_clock::now();
  for (const char* wants : {"R", "S"}) {
    write("7/task/11/stat", std::string("11 (CPU 1/TCG) ") + wants + " 1 7");
    for (int i = 0; i <= 20; ++i) {
      state('S', 3, 1, 2, 0.5);
      watch.sample(begin + i * 1s);
    }
    const std::string why = host_explains(watch.since(begin));
    if (*wants == 'R')
      EXPECT_EQ(why, "host starved vCPU 1 for 20 s: it ran 0.0 s of 20 s");
    else
      EXPECT_EQ(why, "") << "it sleeps";
    EXPECT_EQ(watch.lost_s(begin, 1) > 19, *wants == 'R');
    watch = HostWatch(7, dir->path());
  }
  // Once it ended it is counted once.
  write("7/task/11/stat", "11 (CPU 1/TCG) R 1 7");
  for (int i = 0; i <= 20; ++i) {
    state('S', 3, 1, i == 20 ? 2.1 : 2, i == 20 ? 20.4 : 0.5);
    watch.sample(begin + i * 1s);
  }
  EXPECT_NEAR(watch.lost_s(begin, 1), 19.9, .01);
}

TEST_F(HostWatchTest, AStoppedQemuIsSeen) {
  EXPECT_NE(host_explains(run(15, 'T', 0, 0, 0, 0)).find("stopped QEMU for 15 s"),
            std::string::npos);
}

TEST_F(HostWatchTest, OurOwnPauseIsSeen) {
  EXPECT_NE(host_explains(run(3, 'S', 0, 0, 0, 0, 20s)).find("froze ktrial"), std::string::npos);
}

TEST_F(HostWatchTest, ASuspendedHostIsSeenAndAClockThatWasSet) {
  Clocks clocks{.suspended_s = 100, .wall_s = 1e9};
  HostWatch watch(7, dir->path(), [&] { return clocks; });
  const auto begin = std::chrono::steady_clock::now();
  state('S', 0, 0, 0, 0);
  watch.sample(begin);
  clocks = {.suspended_s = 130, .wall_s = 1e9 + 30};
  watch.sample(begin + 1s);
  auto evidence = watch.since(begin);
  EXPECT_NEAR(evidence.suspended_s, 30, .01);
  EXPECT_NEAR(evidence.clock_step_s, 0, .01) << "a sleep is no step";
  EXPECT_NE(host_explains(evidence).find("suspended for 30 s"), std::string::npos);
  clocks.wall_s -= 7;
  watch.sample(begin + 2s);
  evidence = watch.since(begin + 1s);
  EXPECT_NEAR(evidence.clock_step_s, 7, .01);
  EXPECT_EQ(host_explains(evidence), "") << "guests do not follow the host's wall clock";
}

TEST_F(HostWatchTest, LostTimeIsWhatAVcpuWaitedFor) {
  HostWatch watch(7, dir->path());
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i <= 10; ++i) {
    state('S', i * .9, i * .1, i * .2, i * .8);
    watch.sample(begin + i * 1s);
  }
  EXPECT_NEAR(watch.lost_s(begin, 0), 1, .01);
  EXPECT_NEAR(watch.lost_s(begin, 1), 8, .01);
  EXPECT_NEAR(watch.lost_s(begin), 8, .01);
  EXPECT_NEAR(watch.lost_s(begin + 5s, 1), 4, .01);
  EXPECT_NEAR(contention(watch.since(begin)), 20 / 11., .01);
  EXPECT_EQ(contention({}), 1);
}

// What a boot is charged: QEMU starts without any vCPU.
TEST_F(HostWatchTest, AVcpuThatBeganLaterCountsFromItsBeginning) {
  HostWatch watch(7, dir->path());
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i <= 3; ++i) {
    write("7/stat", "7 (qemu) S 1 7");
    write("7/task/7/comm", "qemu-system-x86\n");
    write("7/task/7/schedstat", "0 " + std::to_string(i * 900'000'000LL) + " 1\n");
    watch.sample(begin + i * 1s);
  }
  EXPECT_NEAR(watch.lost_s(begin), 2.7, .01);
  EXPECT_TRUE(watch.since(begin).vcpus.empty());
  EXPECT_EQ(host_explains(watch.since(begin)),
            "host starved QEMU for 3 s of 3 s, before it had a vCPU");
  state('S', .5, 1.5, .5, .5);
  write("7/task/7/schedstat", "0 2700000000 1\n");
  watch.sample(begin + 4s);
  EXPECT_NEAR(watch.lost_s(begin, 0), 2.7 + 1.5, .01);
  EXPECT_NEAR(watch.lost_s(begin, 1), 2.7 + .5, .01);
  EXPECT_NEAR(contention(watch.since(begin)), 3, .01);
}

// What another host tells, each second.
class FarHostWatchTest : public testing::Test {
 protected:
  // `seconds` samples, in each of which vCPU 0 ran and waited so long, and the host's four CPUs
  // worked for so long in all.
  void pass(int seconds, double ran, std::optional<double> waited, double busy) {
    for (int i = 0; i < seconds; ++i) {
      told_.vcpus[0].ran_s += ran;
      if (waited) told_.vcpus[0].waited_s = told_.vcpus[0].waited_s.value_or(0) + *waited;
      told_.host->busy_s += busy;
      told_.host->idle_s += 4 - busy;
      watch_.sample(now_ += 1s);
    }
  }
  void SetUp() override {
    watch_.ask([this]() -> Result<vm::FarTimes> {
      ++asked_;
      if (silent_) return fail(ErrorKind::environment, "libvirt did not answer in time");
      return told_;
    });
    watch_.sample(now_);
  }
  vm::FarTimes told_{.vcpus = {{.cpu = 0, .ran_s = 100}},
                     .host = vm::FarTimes::Cpus{.busy_s = 5000, .idle_s = 900}};
  bool silent_ = false;
  int asked_ = 0;
  const Clock::time_point begin_ = std::chrono::steady_clock::now();
  Clock::time_point now_ = begin_;
  HostWatch watch_{0, "/nonexistent"};
};

TEST_F(FarHostWatchTest, ItsWaitsCountAsThoseOfAHostOfOurOwn) {
  told_.vcpus[0].waited_s = 7;
  watch_.sample(now_ += 1s);
  const auto begin = now_;
  pass(20, .1, .85, 4);
  const auto evidence = watch_.since(begin);
  EXPECT_TRUE(evidence.far);
  EXPECT_EQ(evidence.not_told, "");
  EXPECT_NEAR(evidence.others, .975, .001);
  EXPECT_EQ(host_explains(evidence), "host starved vCPU 0 for 17 s: it ran 2.0 s of 20 s");
  EXPECT_NEAR(watch_.lost_s(begin, 0), 17, .01);
  EXPECT_NEAR(contention(evidence), 9.5, .01);
}

TEST_F(FarHostWatchTest, WithoutWaitsAHostFullOfOthersExplainsAndItsOwnMachineDoesNot) {
  pass(20, .1, {}, 4);
  auto evidence = watch_.since(begin_);
  EXPECT_EQ(evidence.not_told, "its libvirt does not tell how long vCPUs waited for a CPU");
  EXPECT_EQ(host_explains(evidence), "others had 98 % of the CPU time of the host that runs it");
  const auto later = now_;
  pass(20, 1, {}, 1.1);
  evidence = watch_.since(later);
  EXPECT_NEAR(evidence.others, .025, .001);
  EXPECT_EQ(host_explains(evidence), "") << "the host is its alone";
}

TEST_F(FarHostWatchTest, AHostThatFallsSilentIsAskedSeldomAndItsWordIsMissed) {
  pass(5, 1, 0, 1);
  silent_ = true;
  const auto since = now_;
  const int before = asked_;
  pass(20, 1, 0, 1);
  EXPECT_EQ(asked_ - before, 2);
  EXPECT_EQ(watch_.since(since).not_told, "libvirt did not answer in time");
  silent_ = false;
  pass(11, 1, 0, 1);
  const auto evidence = watch_.since(since);
  EXPECT_EQ(evidence.not_told, "") << "its counters went on meanwhile";
  ASSERT_EQ(evidence.vcpus.size(), 1u);
  EXPECT_NEAR(evidence.vcpus[0].ran_s, 31, .01);
}

TEST_F(HostWatchTest, AProcessThatIsGoneYieldsNothing) {
  HostWatch watch(99999, dir->path());
  watch.sample(std::chrono::steady_clock::now());
  watch.sample(std::chrono::steady_clock::now());
  EXPECT_TRUE(watch.since({}).vcpus.empty());
}

}  // namespace
}  // namespace ktrial::autopsy
