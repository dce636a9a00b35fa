// What is libvirt's alone: a daemon that dies, another host, what is refused. The other tests of
// this folder run through libvirt, too: see CMakeLists.txt.
#include <signal.h>

#include <iterator>

#include "harness/e2e/e2e.h"

namespace ktrial::e2e {
namespace {

class LibvirtTest : public E2eTest {
 protected:
  void SetUp() override {
    E2eTest::SetUp();
    if (!on_libvirt()) use_libvirt();
  }
  Running start_long_run() {
    Running running = start({"run", "--workload", "fork-storm", "--duration", "10m", "--timeout",
                             "12m", "--format", "json"});
    EXPECT_TRUE(eventually([&] {
      return running.err().find("running fork-storm") != std::string::npos;
    })) << running.err();
    return running;
  }
};

TEST_F(LibvirtTest, ALostLibvirtdIsInconclusiveAndItsMachineIsEnded) {
  REQUIRE_KERNEL(kKernel);
  Running running = start_long_run();
  daemon().kill();
  const auto result = running.wait();
  EXPECT_EQ(result.exit, 125) << result.err;
  EXPECT_EQ(trial(result).value("kind", ""), "vm_died") << result.out;
  EXPECT_NE(result.json().value("reason", "").find("libvirtd was lost"), std::string::npos)
      << result.out;
}

TEST_F(LibvirtTest, AnInterruptEndsTheWaitForALibvirtdThatDoesNotAnswer) {
  daemon().signal(SIGSTOP);
  Running running = start({"run", "--workload", "smoke"});
  // The one that waits for signals comes just before the call that hangs.
  const auto threads = [&] {
    std::error_code error;
    const auto tasks = "/proc/" + std::to_string(running.pid()) + "/task";
    return std::distance(std::filesystem::directory_iterator(tasks, error), {});
  };
  EXPECT_TRUE(eventually([&] { return threads() > 1; })) << running.err();
  running.signal(SIGINT);
  const auto result = running.wait(std::chrono::seconds(30));
  daemon().signal(SIGCONT);
  EXPECT_EQ(result.exit, 130) << result.err;
  EXPECT_NE(result.err.find("interrupted"), std::string::npos) << result.err;
}

TEST_F(LibvirtTest, AnotherHostNeedsNothingOfOurs) {
  REQUIRE_KERNEL(kKernel);
  const auto result = run({"run", "--vmm", "libvirt", "--connect", daemon().remote_uri(),
                           "--workload", "smoke", "--format", "json"});
  EXPECT_EQ(result.exit, 0) << result.err;
  EXPECT_EQ(trial(result).value("channel", ""), "virtio-serial");
  const auto log = read_file(daemon().domain_log());
  ASSERT_TRUE(log);
  EXPECT_NE(log->find("-kernel /var/tmp/ktrial-"), std::string::npos) << *log;
  for (const auto& entry : std::filesystem::directory_iterator("/var/tmp"))
    EXPECT_EQ(log->find(entry.path().string() + "/"), std::string::npos) << entry.path();
}

TEST_F(LibvirtTest, MemoryOnAnotherHostGoesWithItsQemuAndThatIsSaid) {
  REQUIRE_KERNEL(kKernel);
  const auto result =
      run({"run", "--vmm", "libvirt", "--connect", daemon().remote_uri(), "--cpus", "2", "--format",
           "json", "--append", "reboot=t", "--", KTRIAL_BAD_GUEST, "reset"});
  EXPECT_EQ(result.exit, 1) << result.err;
  EXPECT_EQ(trial(result).value("kind", ""), "reset") << result.out;
  const auto folder = std::filesystem::path(trial(result).value("artifacts", ""));
  EXPECT_FALSE(std::filesystem::exists(folder / "trace.txt"));
  const std::string events = read_file(folder / "events.jsonl").value_or("");
  EXPECT_NE(events.find("trace-lost"), std::string::npos) << events;
  EXPECT_NE(events.find("its QEMU runs on another host"), std::string::npos) << events;
}

TEST_F(LibvirtTest, WhatLibvirtLacksIsRefusedBeforeTheTrial) {
  REQUIRE_KERNEL(kKernel);
  const auto machine = run({"run", "--workload", "smoke", "--machine", "microvm"});
  EXPECT_EQ(machine.exit, 129) << machine.err;
  EXPECT_NE(machine.err.find("microvm"), std::string::npos) << machine.err;
  const auto nobody = run({"run", "--workload", "smoke", "--vmm", "libvirt", "--connect",
                           "qemu:///session?socket=" + (root() / "nobody").string()});
  EXPECT_EQ(nobody.exit, 128) << nobody.err;
  EXPECT_NE(nobody.err.find("nobody"), std::string::npos) << nobody.err;
}

}  // namespace
}  // namespace ktrial::e2e
