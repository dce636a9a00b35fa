// What makes two heads one event, both ways; and what names of functions look like.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/console/analyzer.h"
#include "harness/console/demangle.h"
#include "harness/console/frames.h"

namespace ktrial::console {
namespace {

using testing::ElementsAre;

std::vector<std::string> titles_of_boot(const std::string& text) {
  Analyzer analyzer;
  analyzer.feed("[    0.000000] Linux version 6.12.0\n" + text);
  analyzer.finish();
  std::vector<std::string> out;
  for (const Finding& finding : analyzer.findings()) out.push_back(finding.title);
  return out;
}

constexpr const char* kWarn =
    "[    1.000001] WARNING: CPU: 1 PID: 7 at a/b.c:6 foo_warn+0x1/0x2\n"
    "[    1.000002] CPU: 1 PID: 7 Comm: a Not tainted 6.12.0 #1\n[    1.000003] Call Trace:\n"
    "[    1.000004]  foo_caller+0x1/0x2\n[    1.000005] ---[ end trace 0000000000000000 ]---\n";
constexpr const char* kOops =
    "[    6.000001] BUG: kernel NULL pointer dereference, address: 0000000000000010\n"
    "[    6.000002] Oops: Oops: 0000 [#1] SMP\n"
    "[    6.000003] CPU: 2 PID: 8 Comm: b Not tainted 6.12.0 #1\n"
    "[    6.000004] RIP: 0010:bar_read+0x1/0x2\n[    6.000005] Call Trace:\n"
    "[    6.000006]  bar_caller+0x1/0x2\n[    6.000007] ---[ end trace 0000000000000000 ]---\n";
constexpr const char* kOopsTitle =
    "BUG: unable to handle kernel NULL pointer dereference in bar_read";

TEST(EventTest, AnOopsAfterAWarningIsAnEventOfItsOwn) {
  EXPECT_THAT(titles_of_boot(std::string(kWarn) + kOops),
              ElementsAre("WARNING in foo_warn", kOopsTitle));
}

TEST(EventTest, TheWordsOfOneTrapAreOneEvent) {
  EXPECT_THAT(titles_of_boot(kOops), ElementsAre(kOopsTitle));
  EXPECT_THAT(titles_of_boot(std::string(kOops) +
                             "[    6.000008] Kernel panic - not syncing: Fatal exception\n"),
              ElementsAre(kOopsTitle));
}

TEST(EventTest, ThePanicThatTheSettingsMakeOfAReportBelongsToIt) {
  EXPECT_THAT(
      titles_of_boot(std::string(kWarn) +
                     "[    1.000008] Kernel panic - not syncing: kernel: panic_on_warn set ...\n"),
      ElementsAre("WARNING in foo_warn"));
  EXPECT_THAT(
      titles_of_boot("[    1.000001] watchdog: BUG: soft lockup - CPU#1 stuck for 9s! [a:87]\n"
                     "[    1.000002] Kernel panic - not syncing: softlockup: hung tasks\n"),
      ElementsAre("BUG: soft lockup"));
}

TEST(EventTest, AnOomKillIsToldOnce) {
  std::string dump;
  for (int i = 0; i < 50; ++i)
    dump += "[    2.000001] [    " + std::to_string(i) + "]  0  100  12 a\n";
  const std::string kill =
      "[    2.000000] demo invoked oom-killer: gfp_mask=0xcc0, order=0, oom_score_adj=0\n" + dump +
      "[    2.000002] Out of memory: Killed process 12 (demo) total-vm:1kB\n";
  const auto notes = [](const std::string& text) {
    Analyzer analyzer;
    analyzer.feed(text);
    analyzer.finish();
    return analyzer.notes().size();
  };
  EXPECT_EQ(notes(kill), 1U);
  EXPECT_EQ(notes(kill + kill), 2U);
  // The dump is left out where kills come fast.
  EXPECT_EQ(notes(kill + "[    3.000002] Out of memory: Killed process 13 (demo) total-vm:1kB\n"),
            2U);
}

TEST(EventTest, AnyOtherPanicDoesNot) {
  EXPECT_THAT(titles_of_boot(std::string(kWarn) +
                             "[    9.000008] Kernel panic - not syncing: sysrq triggered crash\n"),
              ElementsAre("WARNING in foo_warn", "kernel panic: sysrq triggered crash"));
  EXPECT_THAT(
      titles_of_boot("[    1.000001] watchdog: BUG: soft lockup - CPU#1 stuck for 9s! [a:87]\n"
                     "[    1.000002] Call Trace:\n[    1.000003]  foo_spin+0x1/0x2\n"
                     "[    9.000008] Kernel panic - not syncing: sysrq triggered crash\n"),
      ElementsAre("BUG: soft lockup in foo_spin", "kernel panic: sysrq triggered crash"));
}

TEST(EventTest, AReportThatFaultsHasTheStackOfItsFault) {
  const std::string cut =
      "[    1.000001][    T7] WARNING: Nested lock was not taken\n"
      "[    1.000002][    T7] a/7 is trying to lock:\n[    1.000003][    T7] but this task is not "
      "holding:\n";
  const auto fault = [](const std::string& caller) {
    return "[    1.000004]" + caller +
           " Oops: general protection fault: 0000 [#1] SMP\n[    1.000005]" + caller +
           " RIP: 0010:__lock_acquire+0x1/0x2\n[    1.000006]" + caller +
           " Call Trace:\n[    1.000007]" + caller + "  lock_acquire+0x1/0x2\n[    1.000008]" +
           caller + "  foo_fill+0x1/0x2\n";
  };
  EXPECT_THAT(titles_of_boot(cut + fault("[    T7]")),
              ElementsAre("WARNING: nested lock was not taken in foo_fill",
                          "general protection fault in foo_fill"));
  EXPECT_THAT(
      titles_of_boot(cut + fault("[    T8]")),
      ElementsAre("WARNING: nested lock was not taken", "general protection fault in foo_fill"));
}

// Of a report that is made while a trap is looked at nothing else is known.
TEST(EventTest, WhereAllIsInfrastructureTheTrapsCodeIsThePlace) {
  EXPECT_THAT(
      titles_of_boot(
          "[    1.000001] BUG: using __this_cpu_read() in preemptible [00000000] code: a/9951\n"
          "[    1.000002] Call Trace:\n[    1.000003]  dump_stack+0x1/0x2\n"
          "[    1.000004]  check_preemption_disabled+0x1/0x2\n"
          "[    1.000005]  trace_hardirqs_on+0x1/0x2\n"
          "[    1.000006]  __bad_area_nosemaphore+0x1/0x2\n"
          "[    1.000007]  asm_exc_page_fault+0x1/0x2\n"),
      ElementsAre("BUG: using __this_cpu_read() in preemptible code in __bad_area_nosemaphore"));
}

TEST(EventTest, OtherCpusAndTasksAreOtherEvents) {
  EXPECT_THAT(titles_of_boot("[    1.000001] watchdog: CPU 1 Hard LOCKUP\n"
                             "[    1.000002] watchdog: CPU 2 Hard LOCKUP\n"),
              ElementsAre("BUG: hard lockup", "BUG: hard lockup"));
  EXPECT_THAT(titles_of_boot("[    1.000001] watchdog: CPU 0 detected hard LOCKUP on other CPUs 1\n"
                             "[    1.000002] watchdog: CPU 1 Hard LOCKUP\n"),
              ElementsAre("BUG: hard lockup"));
}

TEST(EventTest, ANextBootIsNotTheSameEvent) {
  const std::string panic = "[    1.000001] Kernel panic - not syncing: sysrq triggered crash\n";
  EXPECT_THAT(
      titles_of_boot(panic + "[    0.000000] Linux version 6.12.0\n" + panic),
      ElementsAre("kernel panic: sysrq triggered crash", "kernel panic: sysrq triggered crash"));
  const std::string boot =
      "[    9.000001] usb 1-1: new device\nBooting the kernel.\n[    0.000000] Linux version 6.1\n";
  EXPECT_THAT(titles_of_boot(boot), ElementsAre("unexpected kernel reboot"));
  EXPECT_THAT(titles_of_boot("[    8.000000] reboot: Restarting system\n" + boot), ElementsAre());
}

TEST(EventTest, NobodyWhoOnlyLooksOnIsBlamedForAHardLockup) {
  // arm64 and riscv64: the stuck CPU answers nobody.
  Analyzer analyzer;
  analyzer.feed(
      "[    0.000000] Linux version 6.12.0\n"
      "[   41.000000] watchdog: Watchdog detected hard LOCKUP on cpu 1\n"
      "[   41.000001] Modules linked in: x\n[   41.000002] Sending NMI from CPU 0 to CPUs 1:\n"
      "[   61.000003] CPU: 0 UID: 0 PID: 0 Comm: swapper/0 Not tainted 6.12.0 #1\n"
      "[   61.000004] Call Trace:\n[   61.000005] [<ffffffff80006a3e>] dump_backtrace+0x1c/0x24\n"
      "[   61.000006] [<ffffffff8099b0b4>] riscv_timer_interrupt+0x2c/0x36\n");
  analyzer.finish();
  ASSERT_EQ(analyzer.findings().size(), 1U);
  EXPECT_EQ(analyzer.findings()[0].title, "BUG: hard lockup");
  EXPECT_EQ(analyzer.findings()[0].culprit, "");
  EXPECT_EQ(analyzer.findings()[0].cpu, 1);
}

TEST(EventTest, WhoWalksPageTablesWithoutEndIsBlamedForAStallNotTheStepOfTheWalk) {
  const auto culprit = [](const std::string& step) {
    Analyzer analyzer;
    analyzer.feed(
        "[    0.000000] Linux version 6.12.0\n"
        "[   26.000000] watchdog: BUG: soft lockup - CPU#1 stuck for 26s! [lockup-bait:7]\n"
        "[   26.000001] CPU: 1 UID: 0 PID: 7 Comm: lockup-bait Not tainted 6.12.0 #1\n"
        "[   26.000002] RIP: 0010:" +
        step +
        "+0x2c/0x110\n[   26.000003] Call Trace:\n[   26.000004]  <TASK>\n"
        "[   26.000005]  unmap_page_range+0x1c8/0x1200\n[   26.000006]  unmap_vmas+0x5b/0x90\n"
        "[   26.000007]  __x64_sys_munmap+0x17/0x20\n[   26.000008]  </TASK>\n");
    analyzer.finish();
    return analyzer.findings().empty() ? "" : analyzer.findings()[0].culprit;
  };
  for (const char* step : {"__pte_offset_map", "__pte_offset_map_lock", "unmap_page_range"})
    EXPECT_EQ(culprit(step), "unmap_page_range") << step;
}

TEST(EventTest, OtherArchitecturesHeads) {
  EXPECT_THAT(
      titles_of_boot("[    1.000001] Unable to handle kernel access to user memory without uaccess "
                     "routines at virtual address 0000000000000010\n[    1.000002] Oops [#1]\n"
                     "[    1.000003] epc : foo_read+0x56/0x70 [m]\n"),
      ElementsAre("BUG: unable to handle kernel NULL pointer dereference in foo_read"));
  EXPECT_THAT(titles_of_boot("[    1.000001] Oops: System Reset, sig: 6 [#1]\n"
                             "[    1.000002] NIP [c000000000a00078] foo_idle+0x0/0x80\n"),
              ElementsAre("Oops: System Reset in foo_idle"));
  EXPECT_THAT(
      titles_of_boot("[    1.000001] WARNING: [x[0] > 1] drivers/a/b.c:14 at foo_warn+0x1/0x2, "
                     "CPU#0: a/7\n"),
      ElementsAre("WARNING in foo_warn"));
}

TEST(DemangleTest, RustAndCxxNamesAreThoseOfTheSource) {
  EXPECT_EQ(demangle("_RNvMs3_NtCshgDM7dBCdno_11rust_binder7processNtB5_7Process10update_ref"),
            "<rust_binder::process::Process>::update_ref");
  EXPECT_EQ(demangle("_RNvXs1_CscPPBqWtAqum_11ashmem_rustNtB5_6AshmemNtNtCs43vyB533jt3_6kernel"
                     "10miscdevice10MiscDevice4mmap"),
            "<ashmem_rust::Ashmem as kernel::miscdevice::MiscDevice>::mmap");
  EXPECT_EQ(demangle("_ZN4core9panicking5panic17h0123456789abcdefE"), "core::panicking::panic");
  EXPECT_EQ(demangle("_ZN3foo3barEi"), "foo::bar");
}

TEST(DemangleTest, WhatIsNotWellFormedComesBack) {
  for (const char* symbol : {"_R", "_RNvB_", "_RNvCs_9", "_RB1_", "_RTTTT", "_Zzz", "plain_name"})
    EXPECT_EQ(demangle(symbol), symbol);
}

TEST(SourceNameTest, CompilersSuffixesDoNotCount) {
  for (const char* symbol : {"foo", "foo.isra.0", "foo.constprop.0.isra.0", "foo.part.0",
                             "foo.cold", "foo.llvm.1234567890"})
    EXPECT_EQ(source_name(symbol), "foo");
  for (const char* symbol : {"__x64_sys_mount", "__ia32_sys_mount", "__arm64_sys_mount"})
    EXPECT_EQ(source_name(symbol), "sys_mount");
  for (const char* symbol : {"__se_sys_mount", "__do_sys_mount", "ksys_mount"})
    EXPECT_EQ(source_name(symbol), "mount");
}

}  // namespace
}  // namespace ktrial::console
