// Whoever is killed over a template: nothing is left in memory but whole templates.
// KTRIAL_DRILL_ROUNDS: how many of each (10).
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <random>

#include "harness/channel/channel.h"
#include "harness/e2e/e2e.h"
#include "harness/vm/template_store.h"

namespace ktrial::e2e {
namespace {
namespace fs = std::filesystem;

class WarmDrill : public E2eTest {
 protected:
  void SetUp() override {
    E2eTest::SetUp();
    if (on_libvirt()) GTEST_SKIP() << "not on libvirt: its machines always boot";
    keep_own_templates();
  }
  // Chance, not a wait for anything.
  void some_moment(unsigned most_ms) { ::usleep(random_() % most_ms * 1000); }

  Running start_warm(std::vector<std::string> more) {
    more.insert(more.begin(), {"run", "--start", "warm", "--format", "json"});
    return start(more);
  }
  bool said(const Running& running, const char* words) {
    return eventually([&] { return running.err().find(words) != std::string::npos; },
                      std::chrono::seconds(240));
  }
  static void kill_all(const std::vector<pid_t>& victims) {
    EXPECT_FALSE(victims.empty());
    for (const pid_t pid : victims) ::kill(pid, SIGKILL);
  }
  // Besides whole templates and their locks.
  std::vector<std::string> leftovers(bool locks) const {
    std::vector<std::string> out;
    std::error_code none;
    for (const auto& entry : fs::directory_iterator(templates_, none)) {
      const std::string name = entry.path().filename();
      const bool whole = fs::exists(entry.path() / "sizes");
      const bool lock = name.ends_with(".lock");
      if (whole || (lock && !locks)) continue;
      if (!lock || !fs::is_directory(templates_ / name.substr(0, name.find('.'))))
        out.push_back(name);
    }
    return out;
  }
  void expect_clean(const char* what, int round) {
    EXPECT_TRUE(eventually([&] { return processes().empty() && temporary_files().empty(); }))
        << what << ", round " << round;
    EXPECT_TRUE(eventually([&] { return leftovers(false).empty(); }))
        << what << ", round " << round << ": " << leftovers(false).front();
    // As the next ktrial does first. The lock of a template that was dropped, an empty file, goes.
    const auto store = vm::TemplateStore::open({.folder = templates_});
    ASSERT_TRUE(store);
    EXPECT_TRUE(leftovers(true).empty()) << what << ", round " << round;
    constexpr std::uint64_t kBound = 4ull << 30;
    EXPECT_LE(store->used(), kBound);
    std::printf("%s %d: clean, %.0f MiB of templates\n", what, round,
                static_cast<double>(store->used()) / (1 << 20));
    std::fflush(stdout);
  }
  // The next trial starts from a copy, whatever was killed.
  void expect_next_is_warm(const std::vector<std::string>& more = {}) {
    std::vector<std::string> words = {"--workload", "smoke"};
    words.insert(words.end(), more.begin(), more.end());
    const auto result = start_warm(words).wait();
    EXPECT_EQ(result.exit, 0) << result.err;
    const auto one = trial(result);
    EXPECT_EQ(one.value("start", "?"), "warm") << fact(one, "start.cold_because");
  }

 private:
  std::mt19937 random_{20261129};
};

TEST_F(WarmDrill, KilledMakersLeaveNothing) {
  REQUIRE_KERNEL(kKernel);
  for (int round = 1; round <= rounds(); ++round) {
    // Of each a machine of its own, so that each has one to make.
    auto maker = start_warm({"--memory", std::to_string(512 + round) + "M", "--", "true"});
    ASSERT_TRUE(said(maker, "booting once"));
    some_moment(6000);
    maker.signal(SIGKILL);
    maker.wait();
    expect_clean("maker", round);
  }
  expect_next_is_warm();
}

// The maker lives; what it made does not.
TEST_F(WarmDrill, AMakerWhoseMachineIsKilledBootsAndLeavesNothing) {
  REQUIRE_KERNEL(kKernel);
  for (int round = 1; round <= rounds(); ++round) {
    auto maker = start_warm({"--memory", std::to_string(512 + round) + "M", "--", "true"});
    ASSERT_TRUE(said(maker, "booting once"));
    ASSERT_TRUE(eventually([&] { return !processes("qemu-system").empty(); }));
    some_moment(2000);
    kill_all(processes("qemu-system"));
    const auto result = maker.wait();
    EXPECT_EQ(result.exit, 0) << result.err;
    EXPECT_EQ(trial(result).value("start", "?"), "cold");
    expect_clean("maker's machine", round);
  }
}

TEST_F(WarmDrill, KilledCopiesLeaveTheTemplate) {
  REQUIRE_KERNEL(kKernel);
  expect_next_is_warm();
  for (int round = 1; round <= rounds(); ++round) {
    auto copy = start_warm({"--workload", "fork-storm", "--duration", "60s"});
    ASSERT_TRUE(said(copy, "resuming"));
    some_moment(1500);
    if (round % 2 == 0 && !processes("qemu-system").empty()) {
      kill_all(processes("qemu-system"));
      const auto result = copy.wait();
      // Killed before its first word, it counts for a bad copy, and the trial boots.
      EXPECT_TRUE(result.exit == 125 || trial(result).value("start", "?") == "cold") << result.err;
    } else {
      copy.signal(SIGKILL);
      copy.wait();
    }
    expect_clean(round % 2 == 0 ? "copy's machine" : "copy", round);
  }
  expect_next_is_warm();
}

TEST_F(WarmDrill, KilledDaemonsOfACopyLeaveTheTemplate) {
  REQUIRE_KERNEL(kKernel);
  if (channel::why_unusable(channel::Kind::vhost_user_vsock)) GTEST_SKIP() << "no daemon";
  const std::vector<std::string> vsock = {"--channel", "vhost-user-vsock"};
  expect_next_is_warm(vsock);
  for (int round = 1; round <= rounds(); ++round) {
    auto copy = start_warm(
        {"--channel", "vhost-user-vsock", "--workload", "fork-storm", "--duration", "60s"});
    ASSERT_TRUE(said(copy, "agent answered"));
    some_moment(1500);
    kill_all(processes("vhost-device-vsock"));
    const auto result = copy.wait();
    EXPECT_EQ(result.exit, 125) << result.err;  // the harness failed, not the kernel
    expect_clean("daemon", round);
  }
  expect_next_is_warm(vsock);
}

}  // namespace
}  // namespace ktrial::e2e
