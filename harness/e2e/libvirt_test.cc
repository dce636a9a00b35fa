// What is libvirt's alone: a daemon that dies, another host, what is refused. The other tests of
// this folder run through libvirt, too: see CMakeLists.txt.
#include <signal.h>

#include <boost/asio/io_context.hpp>
#include <iterator>

#include "harness/e2e/e2e.h"
#include "harness/kernel/kernel.h"
#include "harness/vm/libvirt_vm.h"

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

// What an autopsy of a guest on another host would read.
TEST_F(LibvirtTest, MemorySentByLibvirtIsTheMachines) {
  REQUIRE_KERNEL(kKernel);
  auto kernel = kernel::resolve(*kernel::parse_reference(kKernel),
                                {.cache_dir = *kernel::default_cache_dir()});
  ASSERT_TRUE(kernel);
  boost::asio::io_context io;
  const auto libvirt = vm::find_libvirt(io, daemon().uri());
  ASSERT_TRUE(libvirt) << libvirt.error().message;
  auto machine = vm::make_libvirt_vm(io, *libvirt,
                                     {.name = "ram",
                                      .kernel = kernel->image,
                                      .command_line = "console=ttyS0 panic=0",
                                      .cpus = 1,
                                      .memory_mib = 192,
                                      .share_ram = false});
  ASSERT_TRUE(machine) << machine.error().message;
  std::string console;
  const auto started = (*machine)->start([&](vm::VmEvent event) {
    if (auto* bytes = std::get_if<vm::ConsoleBytes>(&event)) console += bytes->bytes;
  });
  ASSERT_TRUE(started) << started.error().message;
  EXPECT_TRUE(eventually([&] {
    io.poll();
    return console.find("Linux version") != std::string::npos;
  }));
  const auto patience = scaled(std::chrono::seconds(60));
  ASSERT_TRUE((*machine)->pause(patience));
  EXPECT_EQ((*machine)->status(patience).value_or(""), "paused");
  const auto samples = (*machine)->sample_vcpus(patience);
  ASSERT_TRUE(samples) << samples.error().message;
  EXPECT_EQ(samples->size(), 1u);
  const auto copy = (*machine)->ram(patience);
  ASSERT_TRUE(copy) << copy.error().message;
  auto contents = [](const std::filesystem::path& file) {
    return read_file(file, 192u << 20).value_or("");
  };
  const std::string sent = contents("/proc/self/fd/" + std::to_string(copy->fd.get()));
  EXPECT_EQ(sent.size(), 192u << 20);
  bool same = false;
  const auto folder = "/proc/" + std::to_string((*machine)->process()) + "/fd";
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (std::filesystem::read_symlink(entry.path()).string().starts_with("/memfd:"))
      same = same || contents(entry.path()) == sent;
  EXPECT_TRUE(same);
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
