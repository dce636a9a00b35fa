#include "harness/autopsy/autopsy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ktrial::autopsy {
namespace {

Look kernel(unsigned cpu, std::initializer_list<const char*> functions, bool irqs = false) {
  Look look{.registers = {.cpu = cpu, .ip = 0xffffffff81000000, .interrupts_enabled = irqs}};
  for (const char* function : functions)
    look.stack.push_back({function, std::string(function) + "+0x1/0x2", true});
  return look;
}
Look user(unsigned cpu) { return {.registers = {.cpu = cpu, .ip = 0x400000, .user_mode = true}}; }
Look halted(unsigned cpu) {
  Look look = kernel(cpu, {"pv_native_safe_halt", "default_idle", "do_idle"}, true);
  look.registers.halted = true;
  return look;
}
std::vector<Look> thrice(const Look& look) { return {look, look, look}; }
VcpuUse ran(unsigned cpu, double ran_s, double waited_s = 0) { return {cpu, ran_s, waited_s}; }

Look mm_get_cid(unsigned cpu) {
  return kernel(cpu, {"mm_get_cid", "__schedule", "schedule", "do_nanosleep"});
}
Look rq_lock(unsigned cpu) {
  return kernel(cpu, {"native_queued_spin_lock_slowpath", "_raw_spin_lock",
                      "raw_spin_rq_lock_nested", "sched_balance_rq", "__schedule"});
}
Look ipi(unsigned cpu) {
  return kernel(cpu,
                {"smp_call_function_many_cond", "on_each_cpu_cond_mask", "flush_tlb_mm_range",
                 "zap_pte_range"},
                true);
}

TEST(ClassifyTest, EachKindOfVcpu) {
  EXPECT_EQ(classify(thrice(mm_get_cid(2)), ran(2, 1)).what, VcpuClass::spinning_irqs_off);
  EXPECT_EQ(classify(thrice(kernel(0, {"spin"}, true)), ran(0, 1)).what, VcpuClass::spinning);
  EXPECT_EQ(classify(thrice(rq_lock(1)), ran(1, 1)).what, VcpuClass::waiting);
  EXPECT_EQ(classify(thrice(ipi(1)), ran(1, 1)).what, VcpuClass::waiting);
  EXPECT_EQ(classify(thrice(halted(1)), ran(1, 0)).what, VcpuClass::idle);
  EXPECT_EQ(classify(thrice(user(3)), ran(3, 1)).what, VcpuClass::user);
  EXPECT_EQ(classify(thrice(mm_get_cid(2)), ran(2, 0, 5)).what, VcpuClass::starved);
  EXPECT_EQ(classify({kernel(0, {"a"}), kernel(0, {"b"})}, ran(0, 1)).what, VcpuClass::kernel);
  EXPECT_EQ(classify({kernel(0, {"a"})}, ran(0, 1)).what, VcpuClass::kernel) << "one look is none";
  EXPECT_EQ(classify(thrice(kernel(0, {})), ran(0, 1)).what, VcpuClass::spinning_irqs_off)
      << "one address is enough where there are no stacks";
  EXPECT_EQ(classify({}, std::nullopt).what, VcpuClass::unknown);
}

TEST(ClassifyTest, ASpinLoopMayCallAround) {
  auto state = classify({kernel(0, {"ktime_get_mono_fast_ns", "hard_spin", "init_module"}),
                         kernel(0, {"hard_spin", "init_module"}),
                         kernel(0, {"rdtsc_ordered", "hard_spin", "init_module"})},
                        ran(0, 1));
  // rdtsc_ordered is none of the functions that are known to be infrastructure.
  EXPECT_EQ(state.what, VcpuClass::kernel);
  state = classify({kernel(0, {"hard_spin"}), kernel(0, {"_raw_spin_unlock", "hard_spin"})}, {});
  EXPECT_EQ(state.function, "hard_spin");
}

TEST(ClassifyTest, TicksThatStrikeALoopAreNotWhatItDoes) {
  const Look plain = kernel(0, {"my_loop", "my_driver"}, true);
  const Look struck =
      kernel(0, {"update_load_avg", "task_tick_fair", "sched_tick", "sysvec_apic_timer_interrupt",
                 "asm_sysvec_apic_timer_interrupt", "my_loop", "my_driver"});
  auto state = classify({plain, struck, plain, struck}, ran(0, 2));
  EXPECT_EQ(state.what, VcpuClass::spinning);
  EXPECT_EQ(state.function, "my_loop");
  // A hang within the tick itself.
  state = classify(thrice(struck), ran(0, 2));
  EXPECT_EQ(state.what, VcpuClass::spinning_irqs_off);
  EXPECT_EQ(state.function, "update_load_avg");
  // Who waits goes on waiting while a tick strikes it.
  const Look waits = kernel(1,
                            {"smp_call_function_many_cond", "on_each_cpu_cond_mask",
                             "flush_tlb_mm_range", "zap_pte_range"},
                            true);
  const Look waits_struck =
      kernel(1, {"account_user_time", "sysvec_apic_timer_interrupt",
                 "asm_sysvec_apic_timer_interrupt", "smp_call_function_many_cond",
                 "on_each_cpu_cond_mask", "flush_tlb_mm_range", "zap_pte_range"});
  state = classify({waits, waits, waits_struck}, ran(1, 2));
  EXPECT_EQ(state.what, VcpuClass::waiting);
}

TEST(CulpritTest, TheOneInsideTheSchedulerHoldsTheOthersUp) {
  const auto culprit =
      find_culprit({classify(thrice(rq_lock(0)), ran(0, 2)), classify(thrice(ipi(1)), ran(1, 2)),
                    classify(thrice(kernel(2, {"innocent_spin"})), ran(2, 2)),
                    classify(thrice(mm_get_cid(3)), ran(3, 2))});
  ASSERT_TRUE(culprit);
  EXPECT_EQ(culprit->cpu, 3u);
  EXPECT_EQ(culprit->function, "mm_get_cid");
  EXPECT_TRUE(culprit->proven);
}

TEST(CulpritTest, WhoPollsForATaskToLeaveItsCpuIsAVictim) {
  const Look waker = kernel(0, {"try_to_wake_up", "wake_up_process", "hrtimer_wakeup"});
  const auto state = classify(thrice(waker), ran(0, 3));
  EXPECT_EQ(state.what, VcpuClass::waiting);
  EXPECT_EQ(state.waits_in, "try_to_wake_up");
  const auto culprit = find_culprit({state, classify(thrice(mm_get_cid(1)), ran(1, 3))});
  ASSERT_TRUE(culprit);
  EXPECT_EQ(culprit->function, "mm_get_cid");
}

TEST(CulpritTest, TooLittleTimeIsNoProof) {
  const auto culprit = find_culprit({classify(thrice(mm_get_cid(3)), ran(3, .2, .5))});
  ASSERT_TRUE(culprit);
  EXPECT_FALSE(culprit->proven);
}

TEST(CulpritTest, VictimsOfAStarvedVcpuAreNotToBlame) {
  EXPECT_FALSE(find_culprit(
      {classify(thrice(ipi(0)), ran(0, 3)), classify(thrice(mm_get_cid(1)), ran(1, 0, 3))}));
}

TEST(CulpritTest, ADeadlockIsNamedByWhoCalledTheWait) {
  const Look abba =
      kernel(0, {"native_queued_spin_lock_slowpath", "_raw_spin_lock", "take_a_then_b"});
  const auto culprit =
      find_culprit({classify(thrice(abba), ran(0, 3)), classify(thrice(halted(1)), ran(1, 0))});
  ASSERT_TRUE(culprit);
  EXPECT_EQ(culprit->function, "take_a_then_b");
  EXPECT_FALSE(culprit->proven);
}

// A tick that strikes an idle CPU is not what two others wait for.
TEST(CulpritTest, WhoWasHaltedAtOneLookHoldsNoLock) {
  const Look abba =
      kernel(0, {"native_queued_spin_lock_slowpath", "_raw_spin_lock", "take_a_then_b"});
  const Look tick = kernel(1, {"sysvec_apic_timer_interrupt", "default_idle"}, true);
  const auto waiting = classify(thrice(abba), ran(0, 3));
  const auto ticks = classify({halted(1), tick, kernel(1, {"other"}, true)}, ran(1, .1));
  EXPECT_EQ(ticks.what, VcpuClass::kernel);
  const auto culprit = find_culprit({waiting, ticks});
  ASSERT_TRUE(culprit);
  EXPECT_EQ(culprit->function, "take_a_then_b");
  EXPECT_FALSE(find_culprit({waiting, classify({tick, kernel(1, {"other"}, true)}, ran(1, .1))}));
}

TEST(CulpritTest, AHealthyGuestHasNone) {
  EXPECT_FALSE(
      find_culprit({classify(thrice(user(0)), ran(0, 1)), classify(thrice(halted(1)), ran(1, 0)),
                    classify({kernel(2, {"a"}, true), kernel(2, {"b"}, true)}, ran(2, 1))}));
  EXPECT_FALSE(find_culprit({}));
}

TEST(AutopsyTextTest, IsBoundedAndNamesTheCulprit) {
  Autopsy autopsy{.looks = 3, .seconds = .5};
  autopsy.vcpus = {classify(thrice(mm_get_cid(0)), ran(0, 2))};
  autopsy.culprit = find_culprit(autopsy.vcpus);
  for (int i = 0; i < 10000; ++i) {
    autopsy.blocked.push_back({"t/" + std::to_string(i), "D", {}});
    autopsy.kernel_log.push_back("line");
  }
  const std::string text = to_text(autopsy);
  EXPECT_THAT(text, testing::HasSubstr("Culprit: vCPU 0 in mm_get_cid"));
  EXPECT_THAT(text, testing::HasSubstr("mm_get_cid+0x1/0x2"));
  EXPECT_LT(text.size(), 8192u);
}

}  // namespace
}  // namespace ktrial::autopsy
