// The same trials through libvirt: the same verdicts, and nothing left behind.
#include <signal.h>

#include <boost/asio/io_context.hpp>

#include "harness/base/child.h"
#include "harness/e2e/e2e.h"
#include "harness/e2e/libvirtd.h"
#include "harness/kernel/kernel.h"
#include "harness/vm/libvirt_vm.h"

namespace ktrial::e2e {
namespace {

class LibvirtTest : public E2eTest {
 protected:
  void SetUp() override {
    E2eTest::SetUp();
    if (const std::string why = why_no_kernel(kKernel); !why.empty())
      GTEST_SKIP() << "no kernel " << kKernel << ": " << why;
    auto daemon = PrivateLibvirtd::start();
    if (!daemon) GTEST_SKIP() << "no libvirtd to test with: " << daemon.error().message;
    daemon_.emplace(std::move(*daemon));
    boost::asio::io_context io;
    const auto libvirt = vm::find_libvirt(io, daemon_->uri());
    if (!libvirt && libvirt.error().message.find("built without") != std::string::npos)
      GTEST_SKIP() << libvirt.error().message;
    ASSERT_TRUE(libvirt) << libvirt.error().message;
  }
  void TearDown() override {
    if (daemon_) {
      EXPECT_TRUE(eventually([&] { return daemon_->machines().empty(); }))
          << "QEMU was left behind";
      if (!died_) {
        EXPECT_TRUE(eventually([&] { return daemon_->domain_files().empty(); }))
            << daemon_->domain_files().front();
      }
      daemon_.reset();
    }
    E2eTest::TearDown();
  }
  std::vector<std::string> through_libvirt(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin() + 1, {"--vmm", "libvirt", "--connect", daemon_->uri()});
    return arguments;
  }
  Running start_long_run() {
    Running running = start(through_libvirt({"run", "--workload", "fork-storm", "--duration", "10m",
                                             "--timeout", "12m", "--format", "json"}));
    EXPECT_TRUE(eventually([&] {
      return running.err().find("running fork-storm") != std::string::npos;
    })) << running.err();
    return running;
  }
  // Both backends judge `arguments` alike; returns libvirt's trial.
  nlohmann::json expect_same_verdict(const std::vector<std::string>& arguments) {
    const auto direct = run(arguments);
    const auto other = run(through_libvirt(arguments));
    EXPECT_EQ(direct.exit, other.exit) << direct.err << other.err;
    const auto one = trial(direct), two = trial(other);
    for (const char* key : {"outcome", "title", "kind", "culprit"})
      EXPECT_EQ(one.value(key, "?"), two.value(key, "")) << direct.err << other.err;
    EXPECT_EQ(two.value("vmm", ""), "libvirt");
    return two;
  }
  std::optional<PrivateLibvirtd> daemon_;
  bool died_ = false;  // the daemon: nobody was left to tidy up
};

TEST_F(LibvirtTest, SmokePasses) {
  const auto found = expect_same_verdict({"run", "--workload", "smoke", "--format", "json"});
  EXPECT_EQ(found.value("outcome", ""), "pass");
}

TEST_F(LibvirtTest, VhostUserVsockCarriesATrial) {
  if (!find_program("vhost-device-vsock")) GTEST_SKIP() << "no vhost-device-vsock";
  const auto found = expect_same_verdict({"run", "--workload", "vsock-listen", "--duration", "2s",
                                          "--channel", "vhost-user-vsock", "--format", "json"});
  EXPECT_EQ(found.value("outcome", ""), "pass");
}

TEST_F(LibvirtTest, APanicAndAResetAreToldAsOnQemu) {
  const auto panic =
      expect_same_verdict({"run", "--format", "json", "--", KTRIAL_BAD_GUEST, "panic"});
  EXPECT_EQ(panic.value("title", ""), "kernel panic: sysrq triggered crash");
  const auto reset = expect_same_verdict(
      {"run", "--format", "json", "--", "sh", "-c", "echo b >/proc/sysrq-trigger; sleep 60"});
  EXPECT_EQ(reset.value("kind", ""), "reset");
  const auto console =
      read_file(std::filesystem::path(reset.value("artifacts", "")) / "console.log");
  ASSERT_TRUE(console);
  EXPECT_NE(console->find("sysrq: Resetting"), std::string::npos) << "the last line was lost";
}

TEST_F(LibvirtTest, ASilentStallIsExamined) {
  REQUIRE_KERNEL(kBadKernel);
  const auto result = run(through_libvirt(
      {"run", "--kernel", kBadKernel, "--workload", "mmcid-vfork", "--format", "json"}));
  EXPECT_EQ(result.exit, 1) << result.err;
  EXPECT_EQ(trial(result).value("culprit", ""), "mm_get_cid") << result.out;
}

TEST_F(LibvirtTest, SeveralAtOnceDoNotMeet) {
  std::vector<Running> all;
  for (int i = 0; i < 4; ++i)
    all.push_back(start(through_libvirt({"run", "--workload", "smoke", "--cpus", "2"})));
  for (auto& one : all) {
    const auto result = one.wait();
    EXPECT_EQ(result.exit, 0) << result.err;
  }
}

TEST_F(LibvirtTest, AKilledKtrialLeavesNoDomain) {
  Running running = start_long_run();
  ASSERT_EQ(daemon_->machines().size(), 1u);
  running.signal(SIGKILL);
  running.wait();
}

TEST_F(LibvirtTest, ALostLibvirtdIsInconclusiveAndItsMachineIsEnded) {
  Running running = start_long_run();
  died_ = true;
  daemon_->kill();
  const auto result = running.wait();
  EXPECT_EQ(result.exit, 125) << result.err;
  EXPECT_EQ(trial(result).value("kind", ""), "vm_died") << result.out;
  EXPECT_NE(result.json().value("reason", "").find("libvirtd was lost"), std::string::npos)
      << result.out;
}

TEST_F(LibvirtTest, AKilledQemuIsInconclusive) {
  Running running = start_long_run();
  const auto machines = daemon_->machines();
  ASSERT_EQ(machines.size(), 1u);
  ::kill(machines.front(), SIGKILL);
  const auto result = running.wait();
  EXPECT_EQ(result.exit, 125) << result.err;
  EXPECT_EQ(trial(result).value("kind", ""), "vm_died") << result.out;
}

TEST_F(LibvirtTest, AConsoleFloodLosesNothing) {
  const auto found = trial(run(through_libvirt(
      {"run", "--format", "json", "--", "sh", "-c",
       "i=0; while [ $i -lt 4000 ]; do echo \"<1>flood $i end\" >/dev/kmsg; i=$((i+1)); done"})));
  EXPECT_EQ(found.value("outcome", ""), "pass");
  const auto console =
      read_file(std::filesystem::path(found.value("artifacts", "")) / "console.log");
  ASSERT_TRUE(console);
  int missing = 0;
  for (int i = 0; i < 4000; ++i)
    missing += console->find("flood " + std::to_string(i) + " end") == std::string::npos;
  EXPECT_EQ(missing, 0);
}

// What an autopsy of a guest on another host would read.
TEST_F(LibvirtTest, MemorySentByLibvirtIsTheMachines) {
  auto kernel = kernel::resolve(*kernel::parse_reference(kKernel),
                                {.cache_dir = *kernel::default_cache_dir()});
  ASSERT_TRUE(kernel);
  boost::asio::io_context io;
  const auto libvirt = vm::find_libvirt(io, daemon_->uri());
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
  const auto result = run({"run", "--vmm", "libvirt", "--connect", daemon_->remote_uri(),
                           "--workload", "smoke", "--format", "json"});
  EXPECT_EQ(result.exit, 0) << result.err;
  EXPECT_EQ(trial(result).value("channel", ""), "virtio-serial");
  const auto log = read_file(daemon_->domain_log());
  ASSERT_TRUE(log);
  EXPECT_NE(log->find("-kernel /var/tmp/ktrial-"), std::string::npos) << *log;
  for (const auto& entry : std::filesystem::directory_iterator("/var/tmp"))
    EXPECT_EQ(log->find(entry.path().string() + "/"), std::string::npos) << entry.path();
}

TEST_F(LibvirtTest, AStoppedQemuIsInconclusiveAndEnded) {
  Running running = start_long_run();
  const auto machines = daemon_->machines();
  ASSERT_EQ(machines.size(), 1u);
  ::kill(machines.front(), SIGSTOP);
  const auto result = running.wait();
  EXPECT_EQ(result.exit, 125) << result.err;
  EXPECT_NE(result.json().value("reason", "").find("stopped"), std::string::npos) << result.out;
}

TEST_F(LibvirtTest, WhatLibvirtLacksIsRefusedBeforeTheTrial) {
  const auto machine = run(through_libvirt({"run", "--workload", "smoke", "--machine", "microvm"}));
  EXPECT_EQ(machine.exit, 129) << machine.err;
  EXPECT_NE(machine.err.find("microvm"), std::string::npos) << machine.err;
  const auto nobody = run({"run", "--workload", "smoke", "--vmm", "libvirt", "--connect",
                           "qemu:///session?socket=" + (root() / "nobody").string()});
  EXPECT_EQ(nobody.exit, 128) << nobody.err;
  EXPECT_NE(nobody.err.find("nobody"), std::string::npos) << nobody.err;
}

}  // namespace
}  // namespace ktrial::e2e
