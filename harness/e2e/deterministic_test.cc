// A trial that comes back bit for bit, and is looked into afterwards.
#include <fstream>
#include <sstream>

#include "harness/e2e/e2e.h"
#include "results/schema_check.h"

namespace ktrial::e2e {
namespace {
namespace fs = std::filesystem;

class DeterministicTest : public E2eTest {};

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

  const std::string id = first.json()["id"];
  const auto again =
      run({"replay", id, "--coverage", "--trace", "kernel_clone", "--when",
           "first vcpu 0 in kernel_clone and vcpu 0 runs 2", "--offline", "--format", "json"});
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
  const auto diff = run({"replay", id, "--diff-seeds", "--diff", std::string(pass.json()["id"]),
                         "--offline", "--format", "json"});
  ASSERT_EQ(diff.exit, 0) << diff.out << diff.err;
  results::expect_schema(diff.out, "replay");
  EXPECT_GT(diff.json()["functions"], 1000) << diff.out;
  EXPECT_FALSE(diff.json()["partings"].empty()) << diff.out;
  const auto wrong = run({"replay", id, "--when", "vcpu 0 inn kernel_clone", "--offline"});
  EXPECT_EQ(wrong.exit, 129) << wrong.out << wrong.err;
  EXPECT_NE(wrong.err.find("--when: column 8: "), std::string::npos) << wrong.err;

  std::ofstream(fs::path(std::string(first.json()["directory"])) / "initramfs.cpio", std::ios::app)
      << std::string(512, '\0');
  const auto other = run({"replay", id, "--offline"});
  EXPECT_EQ(other.exit, 129) << other.out << other.err;
  EXPECT_NE(other.err.find("it would be another run: the initramfs"), std::string::npos)
      << other.err;
}

// What came once, in a machine of many threads, comes every time in one that counts instructions.
TEST_F(DeterministicTest, AFailureSeenByChanceHasATwin) {
  REQUIRE_KERNEL(kFixedKernel);
  REQUIRE_DIRECT_QEMU("libvirt's machines are not deterministic");
  const auto first = run({"run", "--kernel", kFixedKernel, "--memory", "256M", "--format", "json",
                          "--", "/bin/sh", "-c", "exit 3"});
  ASSERT_EQ(first.exit, 1) << first.out << first.err;
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
