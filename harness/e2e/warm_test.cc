// Trials that do not boot: templates, their copies, and what is left when somebody is killed.
#include <signal.h>

#include <algorithm>
#include <array>
#include <set>

#include "harness/base/child.h"
#include "harness/base/text.h"
#include "harness/channel/channel.h"
#include "harness/e2e/e2e.h"

namespace ktrial::e2e {
namespace {
namespace fs = std::filesystem;

class WarmTest : public E2eTest {
 protected:
  void SetUp() override {
    E2eTest::SetUp();
    keep_own_templates();
  }
  Outcome warm(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"run", "--start", "warm", "--format", "json"});
    return run(arguments);
  }
  std::vector<std::string> kept() const {
    std::vector<std::string> out;
    std::error_code none;
    for (const auto& entry : fs::directory_iterator(templates_, none))
      out.push_back(entry.path().filename());
    std::ranges::sort(out);
    return out;
  }
  static std::string output_of(const nlohmann::json& trial) {
    const fs::path artifacts = trial["artifacts"].get<std::string>();
    return read_file(artifacts / "output" / "console.log").value_or("");
  }
  static nlohmann::json evidence_of(const nlohmann::json& trial) {
    const fs::path artifacts = trial["artifacts"].get<std::string>();
    return nlohmann::json::parse(read_file(artifacts / "evidence.json").value_or("{}"));
  }
};

TEST_F(WarmTest, CopiesOfOneMachineAreNotTwins) {
  REQUIRE_DIRECT_QEMU("its machines always boot");
  REQUIRE_KERNEL(kKernel);
  const auto result = warm({"--repeat", "8", "--", KTRIAL_RANDOM_GUEST});
  ASSERT_EQ(result.exit, 0) << result.err;
  std::set<std::string> drawn, stacks, seeds;
  const auto trials = result.json()["trials"];
  ASSERT_EQ(trials.size(), 8u);
  for (const auto& trial : trials) {
    EXPECT_EQ(trial["start"], "warm") << fact(trial, "start.cold_because");
    seeds.insert(fact(trial, "guest.seed"));
    const std::string output = output_of(trial);
    std::string_view rest = output;
    while (const auto line = take_line(rest)) {
      if (line->starts_with("random ")) drawn.emplace(*line);
      if (line->starts_with("stack ")) stacks.emplace(*line);
    }
  }
  EXPECT_EQ(seeds.size(), 8u);
  EXPECT_EQ(drawn.size(), 8u);
  EXPECT_EQ(stacks.size(), 8u);
  EXPECT_EQ(count(result.err, "booting"), 1) << result.err;
  EXPECT_EQ(kept().size(), 2u) << "one template, and its lock";
}

TEST_F(WarmTest, ACopySpeaksOverVsock) {
  REQUIRE_DIRECT_QEMU("its machines always boot");
  REQUIRE_KERNEL(kKernel);
  if (channel::why_unusable(channel::Kind::vhost_user_vsock)) GTEST_SKIP() << "no daemon";
  const auto result = warm({"--channel", "vhost-user-vsock", "--workload", "smoke"});
  EXPECT_EQ(result.exit, 0) << result.err;
  const auto one = trial(result);
  EXPECT_EQ(one["start"], "warm") << fact(one, "start.cold_because");
  EXPECT_EQ(one["channel"], "vhost-user-vsock");
}

// Its memory goes with its process: it is copied before.
TEST_F(WarmTest, ACopyThatPanicsLeavesItsTrace) {
  REQUIRE_DIRECT_QEMU("its machines always boot");
  REQUIRE_KERNEL(kKernel);
  const auto result = warm({"--workload", "inject", "--set", "fault=panic"});
  EXPECT_EQ(result.exit, 1) << result.err;
  const auto one = trial(result);
  EXPECT_EQ(one["start"], "warm") << fact(one, "start.cold_because");
  EXPECT_EQ(one["kind"], "panic");
  ASSERT_TRUE(one.contains("trace")) << fact(one, "trace.lost");
  EXPECT_GT(one["trace"]["events"], 100);
}

// The stall is proven by looks, long before the silence would be; the machine stays as it stood.
TEST_F(WarmTest, AHangIsProvenEarlyAndItsMachineIsKept) {
  REQUIRE_DIRECT_QEMU("its machines always boot");
  REQUIRE_KERNEL(kBadKernel);
  const auto result = warm({"--kernel", kBadKernel, "--keep-machine"});
  EXPECT_EQ(result.exit, 1) << result.err;
  const auto one = trial(result);
  EXPECT_EQ(one["start"], "warm") << fact(one, "start.cold_because");
  EXPECT_EQ(one["culprit"], "mm_get_cid");
  EXPECT_EQ(one["signature"], "stall:mm_get_cid");
  EXPECT_TRUE(evidence_of(one)["ending"].value("early", false)) << one["reason"];
  EXPECT_EQ(fact(one, "machine.kept"), "machine") << fact(one, "machine.lost");
  const auto look = [&] {
    const auto opened = run({"open"});
    EXPECT_EQ(opened.exit, 0) << opened.err;
    return opened.out.substr(opened.out.find('\n'));  // without how long the look took
  };
  const std::string before = look();
  EXPECT_NE(before.find("mm_get_cid"), std::string::npos) << before;

  const auto debugged =
      run({"gdb", "--batch", "--ex", "bt", "--ex", "x/s &linux_banner", "--ex", "detach"});
  if (find_program("gdb")) {
    EXPECT_EQ(debugged.exit, 0) << debugged.err;
    // From the culprit out of the interrupt-free loop to the bottom of its stack: any task's, one
    // of which was interrupted in user mode (asm_sysvec_...).
    for (const char* part : {"mm_get_cid", "__schedule", "Linux version 6.19.6"})
      EXPECT_NE(debugged.out.find(part), std::string::npos) << part << "\n" << debugged.out;
    EXPECT_TRUE(std::ranges::any_of(
        std::array{"do_idle", "ret_from_fork", "entry_SYSCALL", "asm_"},
        [&](const char* bottom) { return debugged.out.find(bottom) != std::string::npos; }))
        << debugged.out;
    EXPECT_EQ(debugged.err.find("left the guest running"), std::string::npos) << debugged.err;
  } else {
    EXPECT_EQ(debugged.exit, 128) << debugged.err;
  }
  const auto read = run({"drgn", "--code", "print(prog['UTS_RELEASE'].string_().decode())"});
  if (read.exit == 0)
    EXPECT_NE(read.out.find("6.19.6"), std::string::npos) << read.out;
  else
    EXPECT_NE(read.err.find("python3-drgn"), std::string::npos) << read.err;
  EXPECT_EQ(look(), before) << "what is kept stays as it was";
}

TEST_F(WarmTest, KilledMakersLeaveNothing) {
  REQUIRE_DIRECT_QEMU("its machines always boot");
  REQUIRE_KERNEL(kKernel);
  auto maker = start({"run", "--start", "warm", "--", "/bin/true"});
  ASSERT_TRUE(eventually([&] { return kept().size() == 2; })) << maker.err();
  maker.signal(SIGKILL);
  maker.wait();
  EXPECT_TRUE(eventually([&] { return kept().empty(); })) << kept().front();
  EXPECT_TRUE(eventually([&] { return processes().empty(); }));
}

TEST_F(WarmTest, AKilledCopyLeavesTheTemplate) {
  REQUIRE_DIRECT_QEMU("its machines always boot");
  REQUIRE_KERNEL(kKernel);
  ASSERT_EQ(warm({"--workload", "smoke"}).exit, 0);
  const auto before = kept();
  auto copy = start({"run", "--start", "warm", "--workload", "smoke", "--duration", "60s"});
  ASSERT_TRUE(eventually([&] { return copy.err().find("agent answered") != std::string::npos; }))
      << copy.err();
  copy.signal(SIGKILL);
  copy.wait();
  EXPECT_TRUE(eventually([&] { return processes().empty(); }));
  EXPECT_EQ(kept(), before);
  const auto again = warm({"--workload", "smoke"});
  EXPECT_EQ(trial(again)["start"], "warm");
  EXPECT_EQ(count(again.err, "booting"), 0) << "the same template";
}

// A copy is not trusted: it is asked for a word, and the trial boots if none comes.
TEST_F(WarmTest, ABadTemplateIsThrownAwayAndTheTrialBoots) {
  REQUIRE_DIRECT_QEMU("its machines always boot");
  REQUIRE_KERNEL(kKernel);
  const auto smoke = [&] { return warm({"--cpus", "2", "--workload", "smoke"}); };
  ASSERT_EQ(smoke().exit, 0);
  for (const std::string& name : kept())
    if (fs::is_directory(templates_ / name)) {
      const auto size = fs::file_size(templates_ / name / "ram");
      fs::resize_file(templates_ / name / "ram", 0);
      fs::resize_file(templates_ / name / "ram", size);  // all zeroes
    }
  const auto result = smoke();
  EXPECT_EQ(result.exit, 0) << result.err;
  const auto one = trial(result);
  EXPECT_EQ(one["start"], "cold");
  EXPECT_NE(fact(one, "start.cold_because"), "");
  EXPECT_TRUE(kept().empty() || kept().size() == 1) << "no template: a lock at most";
}

TEST_F(WarmTest, AFailureInACopyIsConfirmedByBoots) {
  REQUIRE_DIRECT_QEMU("its machines always boot");
  REQUIRE_KERNEL(kKernel);
  const auto result = warm({"--confirm-cold", "1", "--", "/bin/false"});
  EXPECT_EQ(result.exit, 1) << result.err;
  const auto trials = result.json()["trials"];
  ASSERT_EQ(trials.size(), 2u);
  EXPECT_EQ(trials[0]["start"], "warm");
  EXPECT_EQ(trials[1]["start"], "cold");
  EXPECT_EQ(fact(trials[1], "confirms"), "trial 0");
  EXPECT_NE(result.err.find("came in 1 of 1 trials that booted"), std::string::npos) << result.err;
}

}  // namespace
}  // namespace ktrial::e2e
