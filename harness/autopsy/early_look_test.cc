// When a vCPU is proven stuck before its silence is long enough; in virtual time.
#include "harness/autopsy/early_look.h"

#include <gtest/gtest.h>

namespace ktrial::autopsy {
namespace {
using namespace std::chrono_literals;
using Time = Clock::time_point;

Look look(const std::string& function, bool irqs_off = true,
          const std::string& caller = "do_syscall_64") {
  return {.registers = {.cpu = 0, .ip = 0xffffffff81000000, .interrupts_enabled = !irqs_off},
          .stack = {{function, function + "+0x5/0x10"}, {caller, caller + "+0x5/0x10"}}};
}

// A guest of one suspect vCPU, looked at as the limits say.
struct Watch {
  EarlyLook early{spec::EarlyLook{}};
  Time now{100s}, beat{100s};
  double share = 1;  // of the time that the host lets it run
  // Whether it is proven after `count` more looks.
  bool see(int count, const std::function<Look(int)>& what) {
    bool proven = false;
    for (int i = 0; i < count; ++i) {
      now += spec::EarlyLook{}.spacing;
      proven = early.add(now, {{0, what(i)}}, {{0, beat}}, [&](unsigned cpu, Time from) {
        const double window = std::chrono::duration<double>(now - from).count();
        return std::optional(VcpuUse{cpu, share * window, (1 - share) * window});
      });
    }
    return proven;
  }
};

const auto kStuck = [](int) { return look("mm_get_cid"); };

TEST(EarlyLookTest, OneThatStaysInOneFunctionWithInterruptsOffIsProven) {
  Watch watch;
  EXPECT_FALSE(watch.see(6, kStuck));  // too short: 3.75 s between the first and the last
  EXPECT_TRUE(watch.see(2, kStuck));
  EXPECT_EQ(watch.early.proven(), 0u);
  const LooksSoFar evidence = watch.early.evidence();
  EXPECT_EQ(evidence.of.at(0).size(), 8u);
  EXPECT_EQ(evidence.first, Time(100s + 750ms));
}

TEST(EarlyLookTest, WhatMovesIsNot) {
  Watch watch;
  EXPECT_FALSE(watch.see(60, [](int i) { return look(i % 5 == 4 ? "__schedule" : "mm_get_cid"); }));
}

TEST(EarlyLookTest, WhatTakesInterruptsIsNot) {
  Watch watch;
  EXPECT_FALSE(watch.see(60, [](int) { return look("spin_here", false); }));
  // Also if only now and then.
  EXPECT_FALSE(watch.see(60, [](int i) { return look("spin_here", i % 5 != 4); }));
}

TEST(EarlyLookTest, WhoWaitsForAnotherIsNot) {
  for (const char* wait : {"csd_lock_wait", "smp_call_function_many_cond",
                           "native_queued_spin_lock_slowpath", "multi_cpu_stop"}) {
    Watch watch;
    EXPECT_FALSE(watch.see(60, [&](int) { return look(wait, true, "flush_tlb_mm_range"); }))
        << wait;
  }
}

TEST(EarlyLookTest, WhatIsSlowByNatureIsNot) {
  for (const char* slow : {"delay_tsc", "io_serial_in", "wait_for_lsr"}) {
    Watch watch;
    EXPECT_FALSE(watch.see(60, [&](int) { return look(slow, true, "serial8250_console_write"); }))
        << slow;
  }
}

TEST(EarlyLookTest, AStarvedOneIsNotBeforeItHadTimeOfItsOwn) {
  Watch watch;
  watch.share = 0.05;
  EXPECT_FALSE(watch.see(40, kStuck));  // 29 s, of which it ran 1.5
  EXPECT_TRUE(watch.see(20, kStuck));
}

TEST(EarlyLookTest, ABeatBeginsItAnew) {
  Watch watch;
  EXPECT_FALSE(watch.see(7, kStuck));
  watch.beat = watch.now;
  EXPECT_FALSE(watch.see(7, kStuck));
  EXPECT_TRUE(watch.see(1, kStuck));
}

TEST(EarlyLookTest, OneThatNeverBeatIsNot) {
  EarlyLook early{spec::EarlyLook{}};
  Time now{100s};
  for (int i = 0; i < 60; ++i) {
    now += 750ms;
    EXPECT_FALSE(early.add(now, {{0, look("mm_get_cid")}}, {},
                           [](unsigned cpu, Time) { return std::optional(VcpuUse{cpu, 100, 0}); }));
  }
}

TEST(EarlyLookTest, WithoutAStackNothingIsProven) {
  Watch watch;
  EXPECT_FALSE(watch.see(60, [](int) {
    Look blind = look("x");
    blind.stack.clear();
    return blind;
  }));
}

TEST(EarlyLookTest, AHostThatCannotTellProvesNothing) {
  EarlyLook early{spec::EarlyLook{}};
  Time now{100s};
  for (int i = 0; i < 60; ++i) {
    now += 750ms;
    EXPECT_FALSE(early.add(now, {{0, look("mm_get_cid")}}, {{0, Time(100s)}},
                           [](unsigned, Time) { return std::optional<VcpuUse>(); }));
  }
}

}  // namespace
}  // namespace ktrial::autopsy
