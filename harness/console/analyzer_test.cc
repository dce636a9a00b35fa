#include "harness/console/analyzer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ktrial::console {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

std::vector<Finding> analyze(std::string_view log) {
  Analyzer analyzer;
  analyzer.feed(log);
  analyzer.finish();
  return analyzer.findings();
}

// A CPU that spins with interrupts off; the one that complains waits for it.
constexpr const char* kSpinning = R"([   30.000001] hello
[   34.000001] watchdog: BUG: soft lockup - CPU#1 stuck for 26s! [socat:71]
[   34.000002] Modules linked in:
[   34.000003] CPU: 1 UID: 0 PID: 71 Comm: socat Not tainted 6.19.6 #1 PREEMPT(lazy)
[   34.000004] RIP: 0010:smp_call_function_many_cond+0x112/0x4f0
[   34.000005] Call Trace:
[   34.000006]  <TASK>
[   34.000007]  on_each_cpu_cond_mask+0x24/0x40
[   34.000008]  flush_tlb_mm_range+0xb1/0x170
[   34.000009]  tlb_finish_mmu+0x5b/0x90
[   34.000010]  __x64_sys_munmap+0x1b/0x30
[   34.000011]  do_syscall_64+0x5d/0x170
[   34.000012] Sending NMI from CPU 1 to CPUs 0,2-3:
[   34.000013] NMI backtrace for cpu 0
[   34.000014] CPU: 0 UID: 0 PID: 70 Comm: a Not tainted 6.19.6 #1 PREEMPT(lazy)
[   34.000015] RIP: 0010:native_queued_spin_lock_slowpath+0x6a/0x2d0
[   34.000016] Call Trace:
[   34.000017]  _raw_spin_lock+0x29/0x30
[   34.000018]  raw_spin_rq_lock_nested+0x15/0x80
[   34.000019]  sched_balance_rq+0x4a1/0xd70
[   34.000020] NMI backtrace for cpu 2
[   34.000021] CPU: 2 UID: 0 PID: 72 Comm: b Not tainted 6.19.6 #1 PREEMPT(lazy)
[   34.000022] RIP: 0010:mm_get_cid+0x61/0xa0
[   34.000023] Call Trace:
[   34.000024]  __schedule+0x6f1/0x1340
[   34.000025]  schedule+0x27/0xd0
[   34.000026] NMI backtrace for cpu 3 skipped: idling at default_idle+0xf/0x20
)";

TEST(Culprit, IsTheCpuThatOthersWaitFor) {
  const auto findings = analyze(kSpinning);
  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_EQ(findings[0].kind, Kind::soft_lockup);
  EXPECT_EQ(findings[0].culprit, "mm_get_cid");
  EXPECT_EQ(findings[0].cpu, 2);
  EXPECT_EQ(findings[0].task, "b");
  EXPECT_EQ(findings[0].first_line, 2u);
  EXPECT_EQ(findings[0].last_line, 27u);
}

TEST(Culprit, IsFoundInTheBacktracesOfAnNmiPanic) {
  std::string log = kSpinning;
  log.replace(log.find("watchdog: BUG"), log.find("[   34.000002]") - log.find("watchdog: BUG"),
              "Kernel panic - not syncing: NMI: Not continuing\n");
  const auto findings = analyze(log);
  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_EQ(findings[0].title, "kernel panic: NMI: Not continuing");
  EXPECT_EQ(findings[0].culprit, "mm_get_cid");
}

TEST(Culprit, IsUnknownWhenEveryCpuWaits) {
  std::string log = kSpinning;
  log.replace(log.find("mm_get_cid"), 10, "csd_lock_wait");
  EXPECT_EQ(analyze(log)[0].culprit, "");
}

TEST(Culprit, IsWhatTheTimerInterrupted) {
  const auto findings = analyze(
      "[    9.000000] rcu: INFO: rcu_preempt self-detected stall on CPU\n"
      "[    9.000000] NMI backtrace for cpu 1\n[    9.000000] Call Trace:\n"
      "[    9.000000]  nmi_cpu_backtrace+0x1/0x2\n[    9.000000]  rcu_sched_clock_irq+0x1/0x2\n"
      "[    9.000000]  asm_sysvec_apic_timer_interrupt+0x1/0x2\n"
      "[    9.000000] RIP: 0010:_raw_spin_unlock_irq+0x1/0x2\n"
      "[    9.000000]  foo_loop+0x1/0x2\n[    9.000000]  foo_write+0x1/0x2\n"
      "[    9.000000]  vfs_write+0x1/0x2\n[    9.000000] RIP: 0033:0x7f0000000000\n");
  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_EQ(findings[0].title, "INFO: rcu detected stall in foo_write");
  EXPECT_EQ(findings[0].culprit, "foo_loop");
}

TEST(Analyzer, ByteByByteGivesEqualFindings) {
  Analyzer bytes;
  for (const char& c : std::string_view(kSpinning)) bytes.feed({&c, 1});
  bytes.finish();
  const auto whole = analyze(kSpinning);
  ASSERT_EQ(bytes.findings().size(), whole.size());
  EXPECT_EQ(bytes.findings()[0].title, whole[0].title);
  EXPECT_EQ(bytes.findings()[0].excerpt, whole[0].excerpt);
  EXPECT_EQ(bytes.findings()[0].last_line, whole[0].last_line);
  EXPECT_EQ(bytes.lines(), 27u);
  EXPECT_EQ(bytes.last_kernel_line(),
            "NMI backtrace for cpu 3 skipped: idling at default_idle+0xf/0x20");
}

TEST(Analyzer, NulCrAndAnsiAreDropped) {
  const std::string log = std::string("\x1b") + "c\x1b[?7l\x1b[2J[    0.000000] Linux version\r\n" +
                          std::string("[    1.000000] B\0UG: work", 25) +
                          "\x1b[1mqueue lockup\x1b[0m - pool\r\n";
  const auto findings = analyze(log);
  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_EQ(findings[0].kind, Kind::workqueue_lockup);
  EXPECT_EQ(findings[0].first_line, 2u);
}

TEST(Analyzer, AMegabyteLineIsCut) {
  const std::string log =
      "[    1.000000] " + std::string(1 << 20, 'x') + "\n[    2.000000] kernel BUG at mm/a.c:1!\n";
  const auto findings = analyze(log);
  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_EQ(findings[0].first_line, 2u);
}

TEST(Analyzer, FindingsAndExcerptsAreBounded) {
  std::string log;
  for (int i = 0; i < 5000; ++i) log += "[    1.000000] kernel BUG at mm/a.c:1!\n";
  log += "[    1.000000] Call Trace:\n";
  for (int i = 0; i < 5000; ++i) log += "[    1.000000]  some_function+0x1/0x2\n";
  const auto findings = analyze(log);
  EXPECT_LE(findings.size(), 256u);
  for (const auto& finding : findings) EXPECT_LE(finding.excerpt.size(), 16u * 1024);
}

TEST(Analyzer, AnUnfinishedLastLineCounts) {
  Analyzer analyzer;
  analyzer.feed("[    1.000000] kernel BUG at mm/a.c:1!");
  EXPECT_THAT(analyzer.findings(), IsEmpty());
  analyzer.finish();
  EXPECT_THAT(analyzer.findings(), SizeIs(1));
  EXPECT_EQ(analyzer.lines(), 1u);
}

TEST(Analyzer, AReportEndsWhereItSaysNoMore) {
  std::string log =
      "[    1.000000] WARNING: CPU: 0 PID: 9 at a.c:1 foo+0x1/0x2\n"
      "[    1.000000] Call Trace:\n[    1.000000]  foo+0x1/0x2\n";
  for (int i = 0; i < 500; ++i) log += "[    2.000000] usb 1-1: all is well\n";
  const auto findings = analyze(log);
  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_EQ(findings[0].last_line, 3u);
  EXPECT_THAT(findings[0].excerpt, testing::Not(HasSubstr("usb")));
}

TEST(Analyzer, APanicAfterAnOopsIsItsConsequence) {
  const auto findings = analyze(
      "[    1.000000] BUG: kernel NULL pointer dereference, address: 0000000000000000\n"
      "[    1.000000] Oops: Oops: 0002 [#1] SMP\n[    1.000000] RIP: 0010:foo+0x1/0x2\n"
      "[    1.000000] Kernel panic - not syncing: Fatal exception\n");
  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_EQ(findings[0].culprit, "foo");
}

TEST(Analyzer, CallerMarksTellInterleavedReportsApart) {
  const auto findings = analyze(
      "[    1.000000][   T1] BUG: unable to handle page fault for address: 1\n"
      "[    1.000000][   T2] BUG: unable to handle page fault for address: 2\n"
      "[    1.000000][   T2] RIP: 0010:second+0x1/0x2\n"
      "[    1.000000][   T1] RIP: 0010:first+0x1/0x2\n");
  ASSERT_THAT(findings, SizeIs(2));
  EXPECT_THAT(findings[0].title, HasSubstr("in first"));
  EXPECT_THAT(findings[1].title, HasSubstr("in second"));
}

TEST(Analyzer, SaysWhetherTheKernelSpoke) {
  Analyzer analyzer;
  analyzer.feed("SeaBIOS (version 1.16)\nBooting from ROM..\n");
  EXPECT_FALSE(analyzer.saw_kernel_line());
  analyzer.feed("[    0.000000] Linux version 6.12.0\n");
  EXPECT_TRUE(analyzer.saw_kernel_line());
  EXPECT_EQ(analyzer.last_kernel_line(), "Linux version 6.12.0");
  EXPECT_EQ(analyzer.lines(), 3u);
}

class Harmless : public testing::TestWithParam<const char*> {};

TEST_P(Harmless, GivesNoFinding) {
  const std::string line = GetParam();
  EXPECT_THAT(analyze("[    1.000000] " + line + "\n"), IsEmpty());
  EXPECT_THAT(analyze(line + "\n"), IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(
    Lines, Harmless,
    testing::Values(
        "Command line: BUG: soft lockup - CPU#1 stuck for 9s! panic=1",
        "Kernel command line: softlockup_panic=1 oops=panic",
        "rcu: \tRCU CPU stall warnings timeout set to 21 seconds.",
        " ? __bpf_trace_rcu_stall_warning+0x10/0x10",
        "Unknown kernel command line parameters \"WARNING=1\", will be passed to user space.",
        "INFO: lockdep is turned off.",
        "INFO: NMI handler (perf_event_nmi_handler) took too long to run: 2.277 msecs",
        "rcu: INFO: Stall ended before state dump start", "hrtimer: interrupt took 21334 ns",
        "perf: interrupt took too long (2513 > 2500), lowering",
        "clocksource: timekeeping watchdog on CPU1: Marking clocksource 'tsc' as unstable because "
        "the skew is too large:",
        "tsc: Marking TSC unstable due to clocksource watchdog", "sched: RT throttling activated",
        "NOHZ tick-stop error: local softirq work is pending",
        "rcu: rcu_preempt kthread starved for 5000 jiffies! g1 f0x0 RCU_GP_WAIT_FQS(5)",
        "rcu: \tPossible timer handling issue on cpu=1 timer-softirq=11",
        "NMI watchdog: Perf NMI watchdog permanently disabled",
        "Performance Events: PMU not available due to virtualization",
        "WARNING: the mand mount option is being deprecated and",
        "EXT4-fs (loop1): INFO: recovery required on readonly filesystem",
        "note: a[1] exited with irqs disabled",
        "Warning: Permanently added '10.128.0.54' (ECDSA) to the list of known hosts."));

TEST(UserOutput, IsNoKernelMessageOnceTheKernelStampsItsOwn) {
  EXPECT_THAT(analyze("[    1.000000] Linux\nkernel BUG at my/program.c:1!\n"), IsEmpty());
}

}  // namespace
}  // namespace ktrial::console
