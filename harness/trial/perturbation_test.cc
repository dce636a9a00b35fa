#include "harness/trial/perturbation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <thread>

#include "harness/base/file.h"

namespace ktrial::trial {
namespace {
using ::testing::HasSubstr;

TEST(PerturbationTest, WhatWasDoneIsTold) {
  const spec::DelayAt place{.symbol = "mm_get_cid", .offset = 0x55};
  EXPECT_EQ(told(place, {12031, 118, std::chrono::milliseconds(33)}),
            "12031 visits, 118 of them 50 to 500 us longer, 0.033 s in all");
  EXPECT_EQ(told(spec::Holding{.most_us = 5}, {7, 0.25, ""}),
            "7 holds of one vCPU, 1 to 5 us each, 0.250 s in all");
  EXPECT_THAT(told(spec::Holding{}, {7, 0.25, "a vCPU's thread has ended"}),
              HasSubstr("; ended early: a vCPU's thread has ended"));
}

TEST(PerturbationTest, APlaceIsASymbolOfTheRunningKernel) {
  const introspect::SymbolTable symbols({{0x1000, 'T', "mm_get_cid", ""}});
  const auto delay = delay_of({.symbol = "mm_get_cid", .offset = 0x55, .most_us = 200}, symbols);
  ASSERT_TRUE(delay);
  EXPECT_EQ(delay->address, 0x1055u);
  EXPECT_EQ(delay->most, std::chrono::microseconds(200));
  EXPECT_EQ(delay->probability, .01);
  const auto none = delay_of({.symbol = "no_such"}, symbols);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().kind, ErrorKind::usage);
  EXPECT_THAT(none.error().message, HasSubstr("delay_at: this kernel has no symbol 'no_such'"));
}

TEST(PerturbationTest, OneThreadForAllIsRefusedAndSoIsAQemuWithoutPlugins) {
  Plan plan;
  plan.workload.emplace().name = "int3-poke";
  ASSERT_TRUE(plan_perturbation(plan, "/nowhere", "/nowhere", true)) << "nothing was asked for";
  plan.spec.perturb = "hold";
  EXPECT_TRUE(plan_perturbation(plan, "/nowhere", "/nowhere", false)) << "it needs no plugin";
  const auto one_thread = plan_perturbation(plan, "/nowhere", "/nowhere", true);
  ASSERT_FALSE(one_thread);
  EXPECT_EQ(one_thread.error().kind, ErrorKind::usage);
  EXPECT_THAT(one_thread.error().message, HasSubstr("perturb: workload int3-poke has all vCPUs"));
  plan.spec.delay_at = {"schedule"};
  const auto no_plugin = plan_perturbation(plan, "/nowhere", "/nowhere", false);
  ASSERT_FALSE(no_plugin);
  EXPECT_EQ(no_plugin.error().kind, ErrorKind::environment);
  EXPECT_THAT(no_plugin.error().message, HasSubstr("delay_at: needs ktrial's TCG plugin"));
}

// A process with two threads beside its main one, which is its parent's to wait for.
class Busy {
 public:
  Busy() {
    int ends[2];
    EXPECT_EQ(::pipe(ends), 0);
    pid_ = ::fork();
    if (pid_ == 0) {
      for (int i = 0; i < 2; ++i)
        std::thread([] {
          for (;;) std::this_thread::yield();
        }).detach();
      (void)!::write(ends[1], "r", 1);
      for (;;) std::this_thread::yield();
    }
    char ready = 0;
    EXPECT_EQ(::read(ends[0], &ready, 1), 1);
    ::close(ends[0]);
    ::close(ends[1]);
  }
  ~Busy() { end(); }
  void end() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }
  void kill() const { ::kill(pid_, SIGKILL); }
  // Whether it is gone for good when it was waited for: a thread that is still held is not.
  bool can_be_reaped() {
    const bool gone = ::waitpid(pid_, nullptr, 0) == pid_;
    pid_ = -1;
    return gone;
  }
  std::vector<pid_t> threads() const {
    std::vector<pid_t> out;
    for (const auto& task : std::filesystem::directory_iterator(root() / "task"))
      if (const pid_t thread = std::stoi(task.path().filename().string()); thread != pid_)
        out.push_back(thread);
    return out;
  }
  bool any_is_held() const {
    for (const auto& task : std::filesystem::directory_iterator(root() / "task"))
      if (read_file(task.path() / "stat").value_or("").contains(") t ")) return true;
    return false;
  }

 private:
  std::filesystem::path root() const {
    return std::filesystem::path("/proc") / std::to_string(pid_);
  }
  pid_t pid_ = -1;
};

bool eventually(const std::function<bool()>& done) {
  const auto deadline = std::chrono::steady_clock::now() + spec::host_wait(spec::HostWait::job_end);
  while (!done()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::yield();
  }
  return true;
}

TEST(VcpuHolderTest, HoldsThreadsAndLetsThemGo) {
  const Busy busy;
  auto holder = VcpuHolder::start(busy.threads(), {.most_us = 20'000, .gap_us = 1});
  if (!holder) GTEST_SKIP() << "no ptrace here: " << holder.error().message;
  EXPECT_TRUE(eventually([&] { return busy.any_is_held(); }));
  const auto count = (*holder)->stop();
  EXPECT_GE(count.holds, 1u);
  EXPECT_GT(count.seconds, 0);
  EXPECT_EQ(count.ended, "");
  EXPECT_FALSE(busy.any_is_held());
}

// As a machine does that is killed while one of its vCPUs is held.
TEST(VcpuHolderTest, AProcessThatEndsIsNotKeptFromBeingReaped) {
  Busy busy;
  auto holder = VcpuHolder::start(busy.threads(), {.most_us = 20'000, .gap_us = 1});
  if (!holder) GTEST_SKIP() << "no ptrace here: " << holder.error().message;
  EXPECT_TRUE(eventually([&] { return busy.any_is_held(); }));
  busy.kill();
  EXPECT_TRUE(eventually([&] { return !(*holder)->running(); }));
  EXPECT_NE((*holder)->stop().ended, "");
  EXPECT_TRUE(busy.can_be_reaped());
}

TEST(VcpuHolderTest, ThreadsThatNobodyKnowsAreNotHeld) {
  const auto holder = VcpuHolder::start({}, {});
  ASSERT_FALSE(holder);
  EXPECT_EQ(holder.error().kind, ErrorKind::environment);
}

}  // namespace
}  // namespace ktrial::trial
