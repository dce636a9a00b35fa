// Guests, QEMUs and users that misbehave in mid-run. Whatever happens: the right
// outcome, and nothing left behind (checked by E2eTest::TearDown).
#include <signal.h>
#include <unistd.h>

#include "harness/channel/channel.h"
#include "harness/e2e/daemon.h"
#include "harness/e2e/e2e.h"
#include "harness/e2e/small_disk.h"
#include "harness/e2e/two_faults.h"

namespace ktrial::e2e {
namespace {
namespace fs = std::filesystem;

class FaultTest : public E2eTest {
 protected:
  // A payload whose PID 1 is bad_guest.
  void use_bad_init() {
    const fs::path payload = root() / "payload";
    fs::create_directories(payload / "guest");
    fs::copy_file(KTRIAL_BAD_GUEST, payload / "guest" / "ktrial-init");
    fs::create_directory_symlink(
        fs::path(KTRIAL_PROGRAM).parent_path().parent_path() / "share/ktrial/workloads",
        payload / "workloads");
    environment_["KTRIAL_PAYLOAD"] = payload;
  }
  // With no more vCPUs than most hosts have: waits are shorter.
  Outcome run_small(const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"run", "--cpus", "2", "--format", "json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run(arguments);
  }
  // A long trial that has begun its workload.
  Running start_long_run(const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments = {"run",        "--cpus",     "2",   "--workload",
                                          "fork-storm", "--duration", "10m", "--timeout",
                                          "12m",        "--format",   "json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    Running running = start(arguments);
    EXPECT_TRUE(eventually([&] {
      return running.err().find("running fork-storm") != std::string::npos;
    })) << running.err();
    return running;
  }
  // One whose channel's daemon gets a signal then.
  Outcome run_whose_daemon_gets(int signal) {
    Running running = start_long_run({"--channel", "vhost-user-vsock"});
    const auto daemon = processes("vhost-device-vsock");
    EXPECT_EQ(daemon.size(), 1u);
    if (daemon.size() == 1)
      ::kill(daemon[0], signal);
    else
      running.signal(SIGINT);
    auto result = running.wait();
    EXPECT_EQ(result.exit, 125) << result.err;
    return result;
  }
};

// The warning does not end the trial, and does not hide what came of it.
TEST_F(FaultTest, AnOopsAfterAWarningNamesTheTrial) {
  REQUIRE_KERNEL(kKernel);
  const auto result = run(arguments_for(kWarnThenOops, kKernel));
  expect_both(kWarnThenOops, result, trial(result));
}

TEST_F(FaultTest, InitThatNeverAnswersIsInconclusive) {
  REQUIRE_KERNEL(kKernel);
  use_bad_init();
  const auto result = run_small(
      {"--workload", "smoke", "--timeout", "12s", "--boots", "1", "--append", "bad_guest=hang"});
  EXPECT_EQ(result.exit, 125) << result.err;
  EXPECT_EQ(trial(result)["outcome"], "inconclusive");
  EXPECT_EQ(trial(result)["title"], "");
  EXPECT_NE(result.json()["reason"].get<std::string>().find("did not answer"), std::string::npos);
}

TEST_F(FaultTest, InitThatPowersOffIsInconclusive) {
  REQUIRE_KERNEL(kKernel);
  use_bad_init();
  const auto result = run_small({"--workload", "smoke", "--append", "bad_guest=poweroff"});
  EXPECT_EQ(result.exit, 125) << result.err;
  EXPECT_EQ(trial(result)["kind"], "guest_shutdown");
}

TEST_F(FaultTest, InitThatEndsIsAPanic) {
  REQUIRE_KERNEL(kKernel);
  use_bad_init();
  const auto result = run_small({"--workload", "smoke", "--append", "bad_guest=exit"});
  EXPECT_EQ(result.exit, 1) << result.err;
  EXPECT_EQ(trial(result)["title"], "kernel panic: Attempted to kill init!");
}

TEST_F(FaultTest, GarbageOnTheChannelIsInconclusive) {
  REQUIRE_KERNEL(kKernel);
  use_bad_init();
  const auto result = run_small(
      {"--workload", "smoke", "--channel", "virtio-serial", "--append", "bad_guest=garbage"});
  EXPECT_EQ(result.exit, 125) << result.err;
  EXPECT_EQ(trial(result)["kind"], "protocol");
}

TEST_F(FaultTest, APanicInMidRunFails) {
  REQUIRE_KERNEL(kKernel);
  const auto result = run_small({"--start", "warm", "--", KTRIAL_BAD_GUEST, "panic"});
  EXPECT_EQ(result.exit, 1) << result.err;
  EXPECT_EQ(trial(result)["title"], "kernel panic: sysrq triggered crash");
}

TEST_F(FaultTest, AnEarlyPowerOffIsInconclusive) {
  REQUIRE_KERNEL(kKernel);
  const auto result = run_small({"--start", "warm", "--", KTRIAL_BAD_GUEST, "poweroff"});
  EXPECT_EQ(result.exit, 125) << result.err;
  EXPECT_EQ(trial(result)["kind"], "guest_shutdown");
}

TEST_F(FaultTest, ATripleFaultFails) {
  REQUIRE_KERNEL(kKernel);
  const auto result = run_small({"--append", "reboot=t", "--", KTRIAL_BAD_GUEST, "reset"});
  EXPECT_EQ(result.exit, 1) << result.err;
  EXPECT_EQ(trial(result)["title"], "unexpected kernel reboot");
}

TEST_F(FaultTest, AConsoleFloodIsRecordedAndPasses) {
  REQUIRE_KERNEL(kKernel);
  const auto result = run_small({"--start", "warm", "--", KTRIAL_BAD_GUEST, "flood"});
  EXPECT_EQ(result.exit, 0) << result.err;
  // Bounds under a gibibyte: FloodTest of harness/trial.
  EXPECT_GT(fs::file_size(run_folder() / "trials/000/console.log"), 1u << 20);
}

TEST_F(FaultTest, QemuKilledInMidRunIsInconclusive) {
  REQUIRE_KERNEL(kKernel);
  Running running = start_long_run({"--start", "warm"});
  const auto qemu = processes("qemu-system");
  ASSERT_EQ(qemu.size(), 1u);
  ::kill(qemu[0], SIGKILL);
  const auto result = running.wait();
  EXPECT_EQ(result.exit, 125) << result.err;
  EXPECT_EQ(trial(result)["kind"], "vm_died");
  EXPECT_EQ(trial(result)["reason"], on_libvirt()
                                         ? "QEMU ended: libvirt lost it; its log of the domain may "
                                           "say why"
                                         : "QEMU was killed by SIGKILL");
}

TEST_F(FaultTest, ChannelDaemonKilledInMidRunIsInconclusive) {
  REQUIRE_KERNEL(kKernel);
  if (auto why = channel::why_unusable(channel::Kind::vhost_user_vsock))
    GTEST_SKIP() << why->message;
  const auto result = run_whose_daemon_gets(SIGKILL);
  EXPECT_EQ(trial(result)["kind"], "channel_lost") << result.out << result.err;
}

// With it QEMU stands as soon as it is told to stop; else the guest's own trace says that it beat.
TEST_F(FaultTest, AChannelDaemonThatStandsIsNotTheKernelsSilence) {
  REQUIRE_KERNEL(kKernel);
  if (auto why = channel::why_unusable(channel::Kind::vhost_user_vsock))
    GTEST_SKIP() << why->message;
  const auto result = run_whose_daemon_gets(SIGSTOP);
  const auto kind = trial(result)["kind"];
  EXPECT_TRUE(kind == "vm_stopped" || kind == "channel_lost") << result.out << result.err;
  EXPECT_TRUE(eventually([&] { return processes("vhost-device-vsock").empty(); }));
}

// Nothing is booted yet: the program that is asked for QEMU's version hangs.
TEST_F(FaultTest, InterruptBeforeTheTrialStopsTheHelpersToo) {
  REQUIRE_DIRECT_QEMU("no QEMU of ours is asked");
  ASSERT_TRUE(write_script(root() / "qemu", "#!/bin/sh\nexec sleep 600\n"));
  environment_["KTRIAL_QEMU"] = root() / "qemu";
  for (int number : {SIGINT, SIGTERM}) {
    Running running = start({"run", "--workload", "smoke"});
    EXPECT_TRUE(eventually([&] { return !processes("sleep").empty(); }));
    running.signal(number);
    EXPECT_EQ(running.wait(std::chrono::seconds(30)).exit, 130);
    EXPECT_TRUE(processes("sleep").empty());
  }
  EXPECT_EQ(run({"report", "--format", "json"}).json()["state"], "interrupted");
}

// The first machine never begins to run.
TEST_F(FaultTest, AGuestThatIsLostAtBootIsBootedOnceMore) {
  REQUIRE_DIRECT_QEMU("libvirt starts QEMU by itself");
  REQUIRE_KERNEL(kKernel);
  ASSERT_TRUE(write_script(root() / "qemu",
                           "#!/bin/sh\n"
                           "case \"$*\" in *-kernel*) mkdir " +
                               (root() / "first").string() +
                               " 2>/dev/null && exec qemu-system-x86_64 \"$@\" -S;; esac\n"
                               "exec qemu-system-x86_64 \"$@\"\n"));
  environment_["KTRIAL_QEMU"] = root() / "qemu";
  environment_.try_emplace("KTRIAL_TIMEOUT_SCALE", "0.4");  // it is waited for
  const auto result = run_small({"--workload", "smoke", "--accel", "tcg"});
  EXPECT_EQ(result.exit, 0) << result.err;
  const auto record = trial(result);
  EXPECT_EQ(fact(record, "first_boot").find("no_boot: the kernel printed nothing"), 0u)
      << result.out;
  EXPECT_NE(result.err.find("booting once more"), std::string::npos) << result.err;
  EXPECT_TRUE(fs::exists(run_folder() / "trials/000/first-boot/qemu.sh"));
  EXPECT_TRUE(fs::exists(run_folder() / "trials/000/verdict.json"));
}

TEST_F(FaultTest, InterruptCleansUpAndRecordsIt) {
  REQUIRE_KERNEL(kKernel);
  Running running = start_long_run({"--start", "warm"});
  running.signal(SIGINT);
  EXPECT_EQ(running.wait(std::chrono::seconds(60)).exit, 130);
  EXPECT_EQ(processes("qemu-system").size() + processes("vhost-device-vsock").size(), 0u);
  EXPECT_EQ(run({"report", "--format", "json"}).json()["state"], "interrupted");
}

TEST_F(FaultTest, KillNineLeavesNothingBehind) {
  REQUIRE_KERNEL(kKernel);
  Running running = start_long_run();
  EXPECT_FALSE(processes("qemu-system").empty());
  running.signal(SIGKILL);
  EXPECT_EQ(running.wait().exit, 128 + SIGKILL);
  // TearDown waits for the processes; the janitor removes the files.
  EXPECT_TRUE(eventually([&] { return processes().empty() && temporary_files().empty(); }));
  EXPECT_EQ(run({"report", "--format", "json"}).json()["state"], "interrupted");
}

// A small tmpfs for the results, gone with the test.
class FullDiskTest : public FaultTest {
 protected:
  bool mount_disk(const char* options) {
    const bool mounted = disk_.mount(root() / "disk", options);
    if (on_libvirt()) use_libvirt();  // the one that there is does not see it
    return mounted;
  }
  void expect_refused(const Outcome& result) {
    EXPECT_EQ(result.exit, 128) << result.err;
    EXPECT_NE(result.err.find("No space left"), std::string::npos) << result.err;
    const bool hint = result.err.find("--results") != std::string::npos ||
                      result.err.find("free some disk space") != std::string::npos;
    EXPECT_TRUE(hint) << result.err;
    EXPECT_EQ(result.out, "");
  }
  SmallDisk disk_;
};

TEST_F(FullDiskTest, BeforeTheTrialLeavesNoRun) {
  REQUIRE_KERNEL(kKernel);
  if (!mount_disk("size=1m")) GTEST_SKIP() << "mounting a small tmpfs needs root";
  expect_refused(run({"run", "--workload", "smoke", "--results", disk_.folder().string()}));
  EXPECT_TRUE(fs::is_empty(disk_.folder() / "runs"));
}

TEST_F(FullDiskTest, InMidTrialIsAnErrorAndNoVerdict) {
  REQUIRE_KERNEL(kKernel);
  if (!mount_disk("size=16m")) GTEST_SKIP() << "mounting a small tmpfs needs root";
  Running running = start({"run", "--cpus", "2", "--start", "warm", "--format", "json", "--results",
                           disk_.folder().string(), "--", KTRIAL_BAD_GUEST, "flood"});
  EXPECT_TRUE(
      eventually([&] { return running.err().find("running bad_guest") != std::string::npos; }));
  disk_.fill();
  expect_refused(running.wait());
  for (const auto& entry : fs::recursive_directory_iterator(disk_.folder()))
    EXPECT_NE(entry.path().filename(), "verdict.json");
}

TEST_F(FaultTest, DemandedKvmThatDoesNotWorkIsRefused) {
  REQUIRE_KERNEL(kKernel);
  const auto result = run({"run", "--workload", "smoke", "--accel", "kvm"});
  if (result.exit == 0) GTEST_SKIP() << "KVM works here";
  EXPECT_EQ(result.exit, 128) << result.err;
  EXPECT_NE(result.err.find("KVM does not work here"), std::string::npos) << result.err;
}

}  // namespace
}  // namespace ktrial::e2e
