// Guests, QEMUs and users that misbehave in mid-run. Whatever happens: the right
// outcome, and nothing left behind (checked by E2eTest::TearDown).
#include <signal.h>
#include <sys/mount.h>
#include <unistd.h>

#include "harness/channel/channel.h"
#include "harness/e2e/e2e.h"

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
    fs::create_directory_symlink(fs::path(KTRIAL_PROGRAM).parent_path().parent_path() /
                                     "share/ktrial/workloads",
                                 payload / "workloads");
    environment_["KTRIAL_PAYLOAD"] = payload;
  }
  nlohmann::json trial(const Outcome& result) {
    auto json = result.json();
    EXPECT_TRUE(json.is_object()) << result.out << result.err;
    return json.is_object() ? json["trials"][0] : nlohmann::json::object();
  }
  // A long trial that has begun its workload.
  Running start_long_run(const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments = {"run",    "--workload", "fork-storm", "--duration",
                                          "10m",    "--timeout",  "12m",        "--format", "json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    Running running = start(arguments);
    EXPECT_TRUE(eventually([&] { return running.err().find("running fork-storm") != std::string::npos; }))
        << running.err();
    return running;
  }
};

TEST_F(FaultTest, InitThatNeverAnswersIsInconclusive) {
  REQUIRE_KERNEL(kKernel);
  use_bad_init();
  const auto result = run({"run", "--workload", "smoke", "--timeout", "12s", "--format", "json",
                           "--append", "bad_guest=hang"});
  EXPECT_EQ(result.exit, 125) << result.err;
}

TEST_F(FaultTest, InitThatEndsIsAPanic) {
  REQUIRE_KERNEL(kKernel);
  use_bad_init();
  const auto result = run({"run", "--workload", "smoke", "--format", "json", "--append", "bad_guest=exit"});
  EXPECT_EQ(result.exit, 1) << result.err;
  EXPECT_EQ(trial(result)["title"], "kernel panic: Attempted to kill init!");
}

TEST_F(FaultTest, GarbageOnTheChannelIsInconclusive) {
  REQUIRE_KERNEL(kKernel);
  use_bad_init();
  const auto result = run({"run", "--workload", "smoke", "--format", "json", "--channel",
                           "virtio-serial", "--append", "bad_guest=garbage"});
  EXPECT_EQ(result.exit, 125) << result.err;
  EXPECT_EQ(trial(result)["kind"], "protocol");
}

TEST_F(FaultTest, APanicInMidRunFails) {
  REQUIRE_KERNEL(kKernel);
  const auto result = run({"run", "--format", "json", "--", KTRIAL_BAD_GUEST, "panic"});
  EXPECT_EQ(result.exit, 1) << result.err;
  EXPECT_EQ(trial(result)["title"], "kernel panic: sysrq triggered crash");
}

TEST_F(FaultTest, AnEarlyPowerOffIsInconclusive) {
  REQUIRE_KERNEL(kKernel);
  const auto result = run({"run", "--format", "json", "--", KTRIAL_BAD_GUEST, "poweroff"});
  EXPECT_EQ(result.exit, 125) << result.err;
  EXPECT_EQ(trial(result)["kind"], "guest_shutdown");
}

TEST_F(FaultTest, ATripleFaultFails) {
  REQUIRE_KERNEL(kKernel);
  const auto result = run({"run", "--format", "json", "--append", "reboot=t", "--",
                           KTRIAL_BAD_GUEST, "reset"});
  EXPECT_EQ(result.exit, 1) << result.err;
  EXPECT_EQ(trial(result)["title"], "unexpected kernel reboot");
}

TEST_F(FaultTest, AConsoleFloodIsRecordedAndPasses) {
  REQUIRE_KERNEL(kKernel);
  const auto result = run({"run", "--format", "json", "--", KTRIAL_BAD_GUEST, "flood"});
  EXPECT_EQ(result.exit, 0) << result.err;
  EXPECT_GT(fs::file_size(run_folder() / "trials/000/console.log"), 4u << 20);
}

TEST_F(FaultTest, QemuKilledInMidRunIsInconclusive) {
  REQUIRE_KERNEL(kKernel);
  Running running = start_long_run();
  const auto qemu = processes("qemu-system");
  ASSERT_EQ(qemu.size(), 1u);
  ::kill(qemu[0], SIGKILL);
  const auto result = running.wait();
  EXPECT_EQ(result.exit, 125) << result.err;
  EXPECT_EQ(trial(result)["kind"], "vm_died");
}

TEST_F(FaultTest, ChannelDaemonKilledInMidRunIsInconclusive) {
  REQUIRE_KERNEL(kKernel);
  if (auto why = channel::why_unusable(channel::Kind::vhost_user_vsock))
    GTEST_SKIP() << why->message;
  Running running = start_long_run({"--channel", "vhost-user-vsock"});
  const auto daemon = processes("vhost-device-vsock");
  ASSERT_EQ(daemon.size(), 1u);
  ::kill(daemon[0], SIGKILL);
  const auto result = running.wait();
  EXPECT_EQ(result.exit, 125) << result.err;
  EXPECT_EQ(trial(result)["kind"], "channel_lost");
}

TEST_F(FaultTest, InterruptCleansUpAndRecordsIt) {
  REQUIRE_KERNEL(kKernel);
  Running running = start_long_run();
  running.signal(SIGINT);
  EXPECT_EQ(running.wait(std::chrono::seconds(60)).exit, 130);
  const auto record = read_file(run_folder() / "run.json");
  ASSERT_TRUE(record);
  EXPECT_NE(record->find("interrupted"), std::string::npos);
}

TEST_F(FaultTest, KillNineLeavesNothingBehind) {
  REQUIRE_KERNEL(kKernel);
  Running running = start_long_run();
  EXPECT_FALSE(processes("qemu-system").empty());
  running.signal(SIGKILL);
  EXPECT_EQ(running.wait().exit, 128 + SIGKILL);
  // TearDown waits for the processes; the janitor removes the files.
  EXPECT_TRUE(eventually([&] { return processes().empty() && temporary_files().empty(); }));
  EXPECT_NE(run({"report"}).out.find("interrupted"), std::string::npos);
}

TEST_F(FaultTest, AFullDiskIsAnErrorAndNoVerdict) {
  REQUIRE_KERNEL(kKernel);
  const fs::path small = root() / "small";
  fs::create_directories(small);
  if (::geteuid() != 0 || ::mount("tmpfs", small.c_str(), "tmpfs", 0, "size=1m") != 0)
    GTEST_SKIP() << "mounting a small tmpfs needs root";
  const auto result = run({"run", "--workload", "smoke", "--results", small.string()});
  EXPECT_EQ(result.exit, 128) << result.err;
  EXPECT_NE(result.err.find("No space left"), std::string::npos) << result.err;
  EXPECT_EQ(result.out, "");
  ::umount2(small.c_str(), MNT_DETACH);
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
