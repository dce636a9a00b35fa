// What takes long of libvirt's backend: many trials, the whole table of planted faults, its cost.
#include <signal.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <cstdio>
#include <map>

#include "harness/e2e/e2e.h"
#include "harness/kernel/kernel.h"
#include "harness/vm/libvirt/libvirt_vm.h"

namespace ktrial::e2e {
namespace {
namespace fs = std::filesystem;

class LibvirtDrill : public E2eTest {
 protected:
  void SetUp() override {
    E2eTest::SetUp();
    if (!on_libvirt()) use_libvirt();
  }
  Running start_long_run() {
    Running running = start({"run", "--workload", "fork-storm", "--cpus", "2", "--duration", "10m",
                             "--timeout", "12m", "--format", "json"});
    EXPECT_TRUE(eventually([&] {
      return running.err().find("running fork-storm") != std::string::npos;
    })) << running.err();
    return running;
  }
  std::string console_of(const nlohmann::json& trial) {
    const auto text = read_file(fs::path(trial.value("artifacts", "")) / "console.log");
    EXPECT_TRUE(text);
    return text.value_or("");
  }
  // Of each fault: the parts of its row that may not depend on who runs the machine.
  std::map<std::string, std::string> table(const char* vmm, const std::vector<std::string>& flags) {
    std::vector<std::string> arguments = {"selftest", "--format", "json"};
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    Running running = start(arguments);
    const auto document = running.wait(std::chrono::minutes(40)).json();
    std::map<std::string, std::string> out;
    if (!document.is_object()) return out;
    for (const auto& row : document["faults"]) {
      const std::string fault = row["planted"];
      out[fault] = row["status"].dump() + " " + row["outcome"].dump() +
                   " culprit right: " + row["culprit_right"].dump();
      std::printf("%-8s %-22s %s %s %s s\n", vmm, fault.c_str(), out[fault].c_str(),
                  row["kind"].dump().c_str(), row["seconds"].dump().c_str());
    }
    std::fflush(stdout);
    return out;
  }
};

TEST_F(LibvirtDrill, PlantedFaultsGiveTheSameTable) {
  REQUIRE_KERNEL(kKernel);
  const auto direct = table("qemu", {"--vmm", "qemu"});
  const auto other = table("libvirt", {});
  EXPECT_GT(direct.size(), 20u);
  EXPECT_EQ(direct, other);
}

TEST_F(LibvirtDrill, TwentyInARowLeaveNothing) {
  REQUIRE_KERNEL(kKernel);
  Running running =
      start({"run", "--workload", "smoke", "--cpus", "2", "--repeat", "20", "--format", "json"});
  const auto result = running.wait(std::chrono::minutes(20));
  EXPECT_EQ(result.exit, 0) << result.err;
  EXPECT_EQ(result.json()["trials"].size(), 20u);
}

TEST_F(LibvirtDrill, EightAtOnceDoNotMeetAndLeaveNothing) {
  REQUIRE_KERNEL(kKernel);
  std::vector<Running> all;
  for (int i = 0; i < 8; ++i)
    all.push_back(start({"run", "--workload", "smoke", "--cpus", "2", "--memory", "512M"}));
  for (auto& one : all) {
    const auto result = one.wait(std::chrono::minutes(15));
    EXPECT_EQ(result.exit, 0) << result.err;
  }
}

TEST_F(LibvirtDrill, SeveralKilledAtOnceLeaveNothing) {
  REQUIRE_KERNEL(kKernel);
  std::vector<Running> all;
  for (int i = 0; i < 3; ++i) all.push_back(start_long_run());
  EXPECT_EQ(daemon().machines().size(), 3u);
  for (auto& one : all) one.signal(SIGKILL);
  for (auto& one : all) EXPECT_EQ(one.wait().exit, 128 + SIGKILL);
  EXPECT_TRUE(eventually([&] { return processes().empty() && temporary_files().empty(); }));
}

TEST_F(LibvirtDrill, AResetIsToldWithItsLastLine) {
  REQUIRE_KERNEL(kKernel);
  const auto result =
      run({"run", "--format", "json", "--", "sh", "-c", "echo b >/proc/sysrq-trigger; sleep 60"});
  EXPECT_EQ(result.exit, 1) << result.err;
  const auto reset = trial(result);
  EXPECT_EQ(reset.value("kind", ""), "reset");
  EXPECT_NE(console_of(reset).find("sysrq: Resetting"), std::string::npos);
}

TEST_F(LibvirtDrill, AConsoleFloodLosesNothing) {
  REQUIRE_KERNEL(kKernel);
  const auto found = trial(run(
      {"run", "--format", "json", "--", "sh", "-c",
       "i=0; while [ $i -lt 4000 ]; do echo \"<1>flood $i end\" >/dev/kmsg; i=$((i+1)); done"}));
  EXPECT_EQ(found.value("outcome", ""), "pass");
  const std::string console = console_of(found);
  int missing = 0;
  for (int i = 0; i < 4000; ++i)
    missing += console.find("flood " + std::to_string(i) + " end") == std::string::npos;
  EXPECT_EQ(missing, 0);
}

TEST_F(LibvirtDrill, AStoppedQemuIsInconclusiveAndEnded) {
  REQUIRE_KERNEL(kKernel);
  Running running = start_long_run();
  const auto machines = daemon().machines();
  ASSERT_EQ(machines.size(), 1u);
  ::kill(machines.front(), SIGSTOP);
  const auto result = running.wait();
  EXPECT_EQ(result.exit, 125) << result.err;
  EXPECT_NE(result.json().value("reason", "").find("stopped"), std::string::npos) << result.out;
}

// What an autopsy of a guest on another host would read.
TEST_F(LibvirtDrill, MemorySentByLibvirtIsTheMachines) {
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

// A measurement, not a limit: the ratio is printed. In turns, so that both see the same host.
TEST_F(LibvirtDrill, BootToHelloAgainstDirectQemu) {
  REQUIRE_KERNEL(kKernel);
  constexpr int kRounds = 7;
  std::map<std::string, std::vector<double>> boots;
  for (int i = 0; i < kRounds; ++i)
    for (const char* vmm : {"qemu", "libvirt"}) {
      std::vector<std::string> arguments = {"run",  "--workload", "smoke",        "--format",
                                            "json", "--channel",  "virtio-serial"};
      if (std::string_view(vmm) == "qemu") arguments.insert(arguments.end(), {"--vmm", "qemu"});
      const auto result = run(arguments);
      EXPECT_EQ(result.exit, 0) << result.err;
      boots[vmm].push_back(trial(result).value("boot_s", 0.0));
    }
  for (auto& [vmm, seconds] : boots) std::ranges::sort(seconds);
  const double direct = boots["qemu"][kRounds / 2], other = boots["libvirt"][kRounds / 2];
  EXPECT_GT(direct, 0);
  std::printf("boot to hello, median of %d: direct %.2f s, libvirt %.2f s, ratio %.2f\n", kRounds,
              direct, other, other / direct);
}

}  // namespace
}  // namespace ktrial::e2e
