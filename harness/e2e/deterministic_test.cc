// A trial that comes back bit for bit, and is looked into afterwards.
#include <fstream>

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
      run({"replay", id, "--coverage", "--trace", "kernel_clone", "--offline", "--format", "json"});
  ASSERT_EQ(again.exit, 1) << again.out << again.err;
  results::expect_schema(again.out, "replay");
  const auto replay = again.json()["replays"][0];
  EXPECT_EQ(replay["identical"], true) << replay["parted"];
  EXPECT_EQ(replay["was"]["ram_sha256"], replay["is"]["ram_sha256"]);
  EXPECT_EQ(replay["was"]["registers_sha256"], replay["is"]["registers_sha256"]);
  const auto calls = read_file(fs::path(std::string(replay["folder"])) / "calls.txt");
  ASSERT_TRUE(calls) << replay;
  EXPECT_NE(calls->find("kthreadd/2 "), std::string::npos) << "who makes threads: " << *calls;

  std::ofstream(fs::path(std::string(first.json()["directory"])) / "initramfs.cpio", std::ios::app)
      << std::string(512, '\0');
  const auto other = run({"replay", id, "--offline"});
  EXPECT_EQ(other.exit, 129) << other.out << other.err;
  EXPECT_NE(other.err.find("it would be another run: the initramfs"), std::string::npos)
      << other.err;
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
