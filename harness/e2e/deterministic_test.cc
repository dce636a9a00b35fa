// A trial that comes back bit for bit, and is looked into afterwards.
#include <signal.h>

#include <fstream>
#include <sstream>

#include "harness/e2e/e2e.h"
#include "harness/e2e/small_disk.h"
#include "results/schema_check.h"

namespace ktrial::e2e {
namespace {
namespace fs = std::filesystem;

class DeterministicTest : public E2eTest {
 protected:
  // A replay whose machine has begun.
  Running start_replay(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "replay");
    arguments.emplace_back("--offline");
    Running running = start(arguments);
    // QEMU is asked for its version before.
    EXPECT_TRUE(eventually([&] {
      return running.err().find("booting") != std::string::npos &&
             !processes("qemu-system").empty();
    })) << running.err();
    return running;
  }
  void expect_no_replay(const Outcome& result, int exit, const std::string& said) {
    EXPECT_EQ(result.exit, exit) << result.out << result.err;
    EXPECT_NE((result.out + result.err).find(said), std::string::npos)
        << said << ": " << result.out << result.err;
    EXPECT_EQ(result.out.find("identical"), std::string::npos) << result.out;
  }
  // A file that is another one by its last byte.
  std::string changed(const std::string& file) {
    const fs::path copy = root() / ("changed-" + fs::path(file).filename().string());
    fs::copy_file(file, copy);
    std::ofstream(copy, std::ios::app) << '\0';
    return copy;
  }

  void refuse_other_machines(const std::string& id, const nlohmann::json& record) {
    const std::string kernel = changed(fact(record, "kernel.image"));
    expect_no_replay(run({"replay", id, "--kernel", kernel, "--offline"}), 129,
                     "it would be another run: the kernel");
    environment_["KTRIAL_QEMU"] = changed(fact(record, "qemu.program"));
    expect_no_replay(run({"replay", id, "--offline"}), 129, "it would be another run: QEMU");
    environment_.erase("KTRIAL_QEMU");
    std::ofstream(fs::path(std::string(record["directory"])) / "initramfs.cpio", std::ios::app)
        << std::string(512, '\0');
    expect_no_replay(run({"replay", id, "--offline"}), 129,
                     "it would be another run: the initramfs");
  }

  // What came of it until then is no witness, however much of it was alike.
  void be_cut_short(const std::string& id, const std::string& directory) {
    Running killed = start_replay({id});
    for (const pid_t qemu : processes("qemu-system")) ::kill(qemu, SIGKILL);
    expect_no_replay(killed.wait(), 125, "cut short, nothing is shown");
    // The last run is that replay; what it replayed is meant.
    const auto judged = run({"replay", "last", "--judge"});
    EXPECT_NE(judged.out.find(id + " (recorded"), std::string::npos) << judged.out << judged.err;
    Running stopped = start_replay({id});
    stopped.signal(SIGTERM);
    expect_no_replay(stopped.wait(), 130, "interrupted");
    SmallDisk disk;
    if (!disk.mount(root() / "disk", "size=64m")) return;
    Running full = start_replay({directory, "--results", disk.folder().string()});
    disk.fill();
    expect_no_replay(full.wait(), 128, "No space left");
  }
};

// One failing guest: what it shows it shows again, to the last bit of RAM, whoever looks on; and
// what is another machine is never called the same.
TEST_F(DeterministicTest, AFailureComesBackBitForBitAndIsLookedInto) {
  REQUIRE_KERNEL(kFixedKernel);
  REQUIRE_DIRECT_QEMU("libvirt's machines are not deterministic");
  const auto first = run({"run", "--kernel", kFixedKernel, "--deterministic", "--seed", "7",
                          "--memory", "256M", "--format", "json", "--", "/bin/sh", "-c", "exit 3"});
  ASSERT_EQ(first.exit, 1) << first.out << first.err;
  const auto one = trial(first);
  EXPECT_EQ(one["determinism"]["runs"], 2) << one["verdict"] << one["determinism"];
  EXPECT_EQ(one["determinism"]["held"], "end") << one["determinism"];
  EXPECT_EQ(one["determinism"]["parted"], "") << one["determinism"];
  EXPECT_NE(std::string(one["reason"]).find("shows it every time"), std::string::npos) << one;
  results::expect_schema(first.out, "run");

  const std::string id = first.json()["id"], bundle = root() / "bug.ktrial";
  const auto bundled = run({"report", id, "--bundle", bundle});
  ASSERT_EQ(bundled.exit, 0) << bundled.err;
  const auto again =
      run({"replay", bundle, "--show", "u32[task@2+task_struct.pid]", "--coverage", "--trace",
           "kernel_clone", "--when", "first vcpu 0 in kernel_clone and vcpu 0 runs 2", "--offline",
           "--format", "json"});
  ASSERT_EQ(again.exit, 1) << again.out << again.err;
  results::expect_schema(again.out, "replay");
  const auto replay = again.json()["replays"][0];
  EXPECT_EQ(replay["identical"], true) << replay["parted"];
  EXPECT_EQ(replay["was"]["ram_sha256"], replay["is"]["ram_sha256"]);
  EXPECT_EQ(replay["was"]["registers_sha256"], replay["is"]["registers_sha256"]);
  const auto calls = read_file(fs::path(std::string(replay["folder"])) / "calls.txt");
  ASSERT_TRUE(calls) << replay;
  EXPECT_NE(calls->find("kthreadd/2 "), std::string::npos) << "who makes threads: " << *calls;

  // The instant is the call that the trace has, and the machine was held there.
  std::string call;
  std::istringstream lines(*calls);
  while (std::getline(lines, call))
    if (call.contains("vCPU 0  kthreadd/2 ")) break;
  const std::string pages = replay["pages"].dump();
  EXPECT_NE(pages.find("u32[task@2+task_struct.pid]  0x2 (2)"), pages.npos) << pages;
  const std::size_t held = pages.find("Held after ");
  ASSERT_NE(held, pages.npos) << pages;
  const auto instant = std::stoull(pages.substr(held + sizeof "Held after " - 1));
  EXPECT_NE(pages.find(std::to_string(instant) + "  holds  vCPU 0  kthreadd/2 "), pages.npos);
  // A call is counted with its block.
  EXPECT_LT(instant, std::stoull(call)) << call << pages;
  EXPECT_GT(instant + 512, std::stoull(call)) << call << pages;

  const auto pass = run({"run", "--kernel", kFixedKernel, "--deterministic", "--memory", "256M",
                         "--format", "json", "--", "/bin/sh", "-c", "exit 0"});
  ASSERT_EQ(pass.exit, 0) << pass.out << pass.err;
  const auto diff = run({"replay", bundle, "--diff-seeds", "--diff", std::string(pass.json()["id"]),
                         "--offline", "--format", "json"});
  ASSERT_EQ(diff.exit, 0) << diff.out << diff.err;
  results::expect_schema(diff.out, "replay");
  EXPECT_GT(diff.json()["functions"], 1000) << diff.out;
  EXPECT_FALSE(diff.json()["partings"].empty()) << diff.out;
  const auto wrong = run({"replay", id, "--when", "vcpu 0 inn kernel_clone", "--offline"});
  EXPECT_EQ(wrong.exit, 129) << wrong.out << wrong.err;
  EXPECT_NE(wrong.err.find("--when: column 8: "), std::string::npos) << wrong.err;

  be_cut_short(id, first.json()["directory"]);
  refuse_other_machines(id, first.json());
}

// Of what guests do this one has the most timers and switches; it was the first that came to
// another end when QEMU's TLBs went by the host's clock.
TEST_F(DeterministicTest, AStormThatPassesComesBackBitForBit) {
  const std::string kernel = "deb:linux-binary-7.3.4+deb13-cloud-amd64";
  REQUIRE_KERNEL(kernel);
  REQUIRE_DIRECT_QEMU("libvirt's machines are not deterministic");
  const auto first = run({"run", "--kernel", kernel, "--workload", "sched-storm", "--duration",
                          "5s", "--memory", "512M", "--deterministic", "--format", "json"});
  ASSERT_EQ(first.exit, 0) << first.out << first.err;
  EXPECT_EQ(trial(first)["determinism"]["argv"][0], "LD_PRELOAD=ktrial-clock.so");
  const auto again =
      run({"replay", std::string(first.json()["id"]), "--offline", "--format", "json"});
  ASSERT_EQ(again.exit, 0) << again.out << again.err;
  EXPECT_EQ(again.json()["replays"][0]["identical"], true) << again.json()["replays"][0];
}

// What came once, in a machine of many threads, comes every time in one that counts instructions.
// Of what disturbed that machine the record tells.
TEST_F(DeterministicTest, AFailureSeenByChanceHasATwin) {
  REQUIRE_KERNEL(kFixedKernel);
  REQUIRE_DIRECT_QEMU("libvirt's machines are not deterministic");
  const auto first = run({"run", "--kernel", kFixedKernel, "--memory", "256M", "--delay-at",
                          "kernel_clone:200:1", "--perturb", "hold:200", "--format", "json", "--",
                          "/bin/sh", "-c", "for i in 1 2 3 4 5 6 7 8 9; do ( : ); done; exit 3"});
  ASSERT_EQ(first.exit, 1) << first.out << first.err;
  // The first clone may be over before what was translated is thrown away.
  const std::string delays = fact(trial(first), "delay.kernel_clone"),
                    holds = fact(trial(first), "perturb.hold");
  EXPECT_GE(std::atoi(delays.c_str()), 8) << delays;
  EXPECT_NE(delays.find(" of them 20 to 200 us longer"), std::string::npos) << delays;
  EXPECT_GT(std::atoi(holds.c_str()), 0) << holds;
  const auto twin = run({"replay", std::string(first.json()["id"]), "--find-twin", "--budget", "1m",
                         "--offline", "--format", "json"});
  ASSERT_EQ(twin.exit, 1) << twin.out << twin.err;
  results::expect_schema(twin.out, "replay");
  EXPECT_EQ(twin.json()["twin"]["signature"], trial(first)["signature"]) << twin.out;
  EXPECT_EQ(twin.json()["tried"].size(), 1u) << twin.out;
}

TEST_F(DeterministicTest, WhatCannotBeIsRefusedWithTheReason) {
  for (const std::vector<std::string>& extra :
       {std::vector<std::string>{"--workload", "vsock-listen"},
        {"--workload", "int3-poke"},
        {"--accel", "kvm"},
        {"--start", "warm"},
        {"--channel", "vhost-user-vsock"}}) {
    std::vector<std::string> command = {"run", "--deterministic"};
    command.insert(command.end(), extra.begin(), extra.end());
    const auto refused = run(command);
    EXPECT_EQ(refused.exit, 129) << extra.back() << refused.err;
    EXPECT_NE(refused.err.find("deterministic: "), std::string::npos) << refused.err;
  }
}

}  // namespace
}  // namespace ktrial::e2e
