// What is libvirt's alone: a daemon that dies, another host, what is refused. The other tests of
// this folder run through libvirt, too: see CMakeLists.txt.
#include <signal.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <iterator>

#include "harness/e2e/e2e.h"
#include "harness/kernel/kernel.h"
#include "harness/vm/libvirt/libvirt_vm.h"

namespace ktrial::e2e {
namespace {

class LibvirtTest : public E2eTest {
 protected:
  void SetUp() override {
    E2eTest::SetUp();
    if (!on_libvirt()) use_libvirt();
  }
  Running start_long_run() {
    Running running = start({"run", "--cpus", "2", "--workload", "fork-storm", "--duration", "10m",
                             "--timeout", "12m", "--format", "json"});
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

// The one test whose libvirtd sees /dev/kvm as it is: a KVM that lies makes it slow, not wrong.
TEST_F(LibvirtTest, AKvmThatLiesIsOnlySlow) {
  REQUIRE_KERNEL(kKernel);
  if (::access("/dev/kvm", R_OK | W_OK) != 0) GTEST_SKIP() << "no /dev/kvm to be seen";
  use_libvirt(PrivateLibvirtd::Kvm::seen);
  const auto result = run({"run", "--cpus", "2", "--workload", "smoke", "--format", "json"});
  EXPECT_EQ(result.exit, 0) << result.err;
  EXPECT_EQ(trial(result).value("vmm", ""), "libvirt") << result.out;
}

TEST_F(LibvirtTest, AnInterruptEndsTheWaitForALibvirtdThatDoesNotAnswer) {
  daemon().signal(SIGSTOP);
  Running running = start({"run", "--workload", "smoke"});
  // The thread that waits for signals comes just before the call that hangs.
  const auto waits_for_signals = [&] {
    std::error_code error;
    const auto tasks = "/proc/" + std::to_string(running.pid()) + "/task";
    for (const auto& task : std::filesystem::directory_iterator(tasks, error))
      if (read_file(task.path() / "comm").value_or("") == "signals\n") return true;
    return false;
  };
  EXPECT_TRUE(eventually(waits_for_signals)) << running.err();
  running.signal(SIGINT);
  const auto result = running.wait(std::chrono::seconds(30));
  daemon().signal(SIGCONT);
  EXPECT_EQ(result.exit, 130) << result.err;
  EXPECT_NE(result.err.find("interrupted"), std::string::npos) << result.err;
}

TEST_F(LibvirtTest, AnotherHostNeedsNothingOfOurs) {
  REQUIRE_KERNEL(kKernel);
  const auto result = run({"run", "--vmm", "libvirt", "--connect", daemon().remote_uri(), "--cpus",
                           "2", "--workload", "smoke", "--format", "json"});
  EXPECT_EQ(result.exit, 0) << result.err;
  EXPECT_EQ(trial(result).value("channel", ""), "virtio-serial");
  EXPECT_NE(fact(trial(result), "host.vcpu0"), "") << "what its vCPUs were given there";
  EXPECT_EQ(fact(trial(result), "host.not_told"), "");
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

std::ptrdiff_t open_files() {
  return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {});
}

TEST_F(LibvirtTest, MemoryOutlivesAKilledQemuAndAllIsFreedWithTheMachine) {
  REQUIRE_KERNEL(kKernel);
  const auto kernel = kernel::resolve(*kernel::parse_reference(kKernel),
                                      {.cache_dir = *kernel::default_cache_dir()});
  ASSERT_TRUE(kernel);
  boost::asio::io_context io;
  const auto libvirt = vm::find_libvirt(io, daemon().uri());
  ASSERT_TRUE(libvirt) << libvirt.error().message;
  io.poll();
  const auto before = open_files();
  constexpr std::uint64_t kMiB = 192;
  auto machine = vm::make_libvirt_vm(io, *libvirt,
                                     {.name = "killed",
                                      .kernel = kernel->image,
                                      .command_line = "console=ttyS0 panic=0",
                                      .cpus = 1,
                                      .memory_mib = kMiB});
  ASSERT_TRUE(machine) << machine.error().message;
  bool spoke = false, ended = false;
  const auto until = [&](const bool& done) {
    return eventually([&] {
      if (io.stopped()) io.restart();
      io.poll();
      return done;
    });
  };
  const auto started = (*machine)->start([&](vm::VmEvent event) {
    spoke = spoke || std::holds_alternative<vm::ConsoleBytes>(event);
    ended = ended || std::holds_alternative<vm::Exited>(event);
  });
  ASSERT_TRUE(started) << started.error().message;
  EXPECT_TRUE(until(spoke));
  ASSERT_GT((*machine)->process(), 0);
  ::kill((*machine)->process(), SIGKILL);
  EXPECT_TRUE(until(ended));
  {
    const auto ram = (*machine)->ram(scaled(std::chrono::seconds(60)));
    ASSERT_TRUE(ram) << ram.error().message;
    const auto bytes =
        read_file("/proc/self/fd/" + std::to_string(ram->fd.get()), ram->bytes).value_or("");
    EXPECT_EQ(bytes.size(), kMiB << 20);
    EXPECT_NE(bytes.find("console=ttyS0 panic=0"), std::string::npos);
  }
  machine->reset();
  io.restart();
  io.poll();
  EXPECT_EQ(open_files(), before);
}

// Between the first file sent and QEMU's start a kill leaves a storage pool there.
TEST_F(LibvirtTest, FilesOfAKilledKtrialAreRemovedByTheNextThatAsks) {
  REQUIRE_KERNEL(kKernel);
  {
    Running running = start({"run", "--vmm", "libvirt", "--connect", daemon().remote_uri(),
                             "--cpus", "1", "--workload", "smoke"});
    ASSERT_TRUE(
        eventually([&] { return !daemon().domain_files().empty(); }, std::chrono::seconds(120)))
        << running.err();
    running.signal(SIGKILL);
    running.wait();
  }
  // libvirtd may be at writing it still.
  EXPECT_TRUE(eventually([&] {
    EXPECT_EQ(run({"doctor", "--host", daemon().remote_uri()}).exit, 0);
    return daemon().domain_files().empty() || HasFailure();
  }));
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
