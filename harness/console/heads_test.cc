// One log per family of report and per kernel-version variant of its format.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cctype>

#include "harness/console/analyzer.h"

namespace ktrial::console {
namespace {

using enum Kind;

struct Case {
  const char* head;
  const char* title;
  Kind kind;
};

constexpr const char* kTrace =
    "CPU: 1 PID: 77 Comm: worker Not tainted 6.12.0 #1\nRIP: 0010:foo_bar+0x12/0x40\n"
    "Call Trace:\n <TASK>\n dump_stack+0x1/0x2\n ? noise+0x1/0x2\n foo_bar+0x12/0x40\n"
    " foo_ioctl+0x1/0x2\n __x64_sys_ioctl+0x1/0x2\n do_syscall_64+0x1/0x2\n </TASK>\n";

const Case kCases[] = {
    {"Kernel panic - not syncing: softlockup: hung tasks", "kernel panic: softlockup: hung tasks",
     panic},
    {"Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)",
     "kernel panic: VFS: Unable to mount root fs on unknown-block(0,0)", panic},
    {"Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000007",
     "kernel panic: Attempted to kill init!", panic},
    {"watchdog: BUG: soft lockup - CPU#3 stuck for 26s! [worker:77]",
     "BUG: soft lockup in foo_ioctl", soft_lockup},
    {"NMI watchdog: Watchdog detected hard LOCKUP on cpu 1", "BUG: hard lockup in foo_ioctl",
     hard_lockup},
    {"watchdog: Watchdog detected hard LOCKUP on cpu 1", "BUG: hard lockup in foo_ioctl",
     hard_lockup},
    {"watchdog: CPU2: Watchdog detected hard LOCKUP on cpu 1", "BUG: hard lockup in foo_ioctl",
     hard_lockup},
    {"watchdog: CPU 1 self-detected hard LOCKUP @ foo_bar+0x12/0x40",
     "BUG: hard lockup in foo_ioctl", hard_lockup},
    {"rcu: INFO: rcu_preempt self-detected stall on CPU", "INFO: rcu detected stall in foo_ioctl",
     rcu_stall},
    {"rcu: INFO: rcu_sched detected stalls on CPUs/tasks:", "INFO: rcu detected stall in foo_ioctl",
     rcu_stall},
    {"rcu: INFO: rcu_preempt detected expedited stalls on CPUs/tasks: { 1-.... } 21 jiffies s: 9",
     "INFO: rcu detected stall in foo_ioctl", rcu_stall},
    {"INFO: rcu_tasks detected stalls on tasks:", "INFO: rcu detected stall in foo_ioctl",
     rcu_stall},
    {"INFO: task my task: x:77 blocked for more than 122 seconds.", "INFO: task hung in foo_bar",
     hung_task},
    {"INFO: task worker:77 blocked in I/O wait for more than 122 seconds.",
     "INFO: task hung in foo_bar", hung_task},
    {"BUG: workqueue lockup - pool cpus=1 node=0 flags=0x0 nice=0 stuck for 31s!",
     "BUG: workqueue lockup", workqueue_lockup},
    {"WARNING: CPU: 1 PID: 77 at kernel/foo.c:12 foo_bar+0x12/0x40", "WARNING in foo_bar", warning},
    {"WARNING: kernel/foo.c:12 at foo_bar+0x12/0x40, CPU#1: worker/77", "WARNING in foo_bar",
     warning},
    {"WARNING: CPU: 1 PID: 77 at lib/refcount.c:28 refcount_warn_saturate+0xf4/0x150",
     "WARNING: refcount bug in foo_bar", refcount},
    {"kernel BUG at mm/foo.c:99!", "kernel BUG in foo_bar", bug},
    {"kernel BUG at lib/list_debug.c:56!", "BUG: corrupted list in foo_bar", list_corruption},
    {"BUG: kernel NULL pointer dereference, address: 0000000000000008",
     "BUG: unable to handle kernel NULL pointer dereference in foo_bar", null_dereference},
    {"BUG: unable to handle page fault for address: ffffc90000a00000",
     "BUG: unable to handle kernel paging request in foo_bar", oops},
    {"BUG: unable to handle kernel paging request at ffff88002bde1e40",
     "BUG: unable to handle kernel paging request in foo_bar", oops},
    {"Unable to handle kernel paging request at virtual address 00616161616161a1",
     "BUG: unable to handle kernel paging request in foo_bar", oops},
    {"general protection fault, probably for non-canonical address 0xdead: 0000 [#1] PREEMPT SMP",
     "general protection fault in foo_bar", gpf},
    {"Oops: general protection fault, probably for non-canonical address 0xdead: 0000 [#1] SMP",
     "general protection fault in foo_bar", gpf},
    {"divide error: 0000 [#1] SMP", "divide error in foo_bar", divide_error},
    {"Oops: divide error: 0000 [#1] SMP NOPTI", "divide error in foo_bar", divide_error},
    {"Oops: int3: 0000 [#1] PREEMPT SMP NOPTI", "int3 in foo_bar", oops},
    {"Oops: invalid opcode: 0000 [#1] SMP", "invalid opcode in foo_bar", bug},
    {"Oops: Oops: 0002 [#1] SMP", "BUG: unable to handle kernel paging request in foo_bar", oops},
    {"Internal error: Oops: 0000000096000004 [#1] PREEMPT SMP", "Internal error in foo_bar", oops},
    {"traps: PANIC: double fault, error_code: 0x0", "PANIC: double fault in foo_bar", double_fault},
    {"BUG: TASK stack guard page was hit at ffffc900190cfff8 (stack is ffffc900190d0000..)",
     "BUG: stack guard page was hit in foo_ioctl", stack_overflow},
    {"BUG: KASAN: slab-use-after-free in foo_bar+0x12/0x40\nWrite of size 8 at addr ffff88",
     "KASAN: slab-use-after-free Write in foo_bar", kasan},
    {"BUG: KASAN: null-ptr-deref on address           (null)", "KASAN: null-ptr-deref in foo_bar",
     kasan},
    {"WARNING: kernel stack regs at         (ptrval) in a:7 has bad 'bp' value         (ptrval)",
     "WARNING: kernel stack regs has bad value", warning},
    {"BUG: KASAN: double-free in foo_bar+0x12/0x40", "KASAN: invalid-free in foo_bar", kasan},
    {"BUG: KCSAN: data-race in foo_bar / baz", "KCSAN: data-race in baz / foo_bar", kcsan},
    {"BUG: KCSAN: data-race in foo_bar+0x1/0x2", "KCSAN: data-race in foo_bar", kcsan},
    {"BUG: KMSAN: uninit-value in foo_bar+0x12/0x40", "KMSAN: uninit-value in foo_bar", kmsan},
    {"BUG: KFENCE: use-after-free read in foo_bar+0x12/0x40",
     "KFENCE: use-after-free read in foo_bar", kfence},
    {"BUG: KFENCE: memory corruption in foo_bar+0x12/0x40", "KFENCE: memory corruption in foo_bar",
     kfence},
    {"UBSAN: shift-out-of-bounds in fs/foo.c:12:3", "UBSAN: shift-out-of-bounds in foo_bar", ubsan},
    {"BUG: Bad page state in process worker  pfn:7071f", "BUG: Bad page state in foo_bar",
     bad_page},
    {"BUG: scheduling while atomic: worker/77/0x00000002",
     "BUG: scheduling while atomic in foo_bar", atomic_sleep},
    {"BUG: sleeping function called from invalid context at mm/slab.h:1",
     "BUG: sleeping function called from invalid context in foo_bar", atomic_sleep},
    {"WARNING: possible recursive locking detected", "possible deadlock in foo_bar", lockdep},
    {"WARNING: HARDIRQ-safe -> HARDIRQ-unsafe lock order detected", "possible deadlock in foo_bar",
     lockdep},
    {"WARNING: inconsistent lock state", "inconsistent lock state in foo_bar", lockdep},
    {"WARNING: suspicious RCU usage", "WARNING: suspicious RCU usage in foo_bar", suspicious_rcu},
    {"WARNING: bad unlock balance detected!", "WARNING: bad unlock balance in foo_bar", held_lock},
    {"[ BUG: Invalid wait context ]", "WARNING: locking bug in foo_bar", lockdep},
    {"INFO: trying to register non-static key.",
     "INFO: trying to register non-static key in foo_bar", lockdep},
    {"BUG: MAX_LOCKDEP_CHAINS too low!", "BUG: MAX_LOCKDEP_CHAINS too low!", lockdep_limit},
    {"BUG: workqueue leaked atomic, lock or RCU: kworker/0:1[9]",
     "BUG: workqueue leaked lock or atomic in foo_bar", atomic_sleep},
    {"unregister_netdevice: waiting for eth0 to become free. Usage count = 2",
     "unregister_netdevice: waiting for DEV to become free", netdev_unregister},
};

// Prefixes every line of `log` as printk does.
std::string with_prefix(std::string_view log, std::string_view prefix) {
  std::string out;
  while (!log.empty()) {
    const std::size_t end = std::min(log.find('\n'), log.size());
    out.append(prefix).append(log.substr(0, end)).append("\n");
    log.remove_prefix(std::min(end + 1, log.size()));
  }
  return out;
}

std::vector<Finding> heard(std::string_view log) {
  Analyzer analyzer;
  analyzer.feed(log);
  analyzer.finish();
  return analyzer.findings();
}

class Heads : public testing::TestWithParam<Case> {};

TEST_P(Heads, EveryPrefixGivesTheTitle) {
  const std::string body = std::string(GetParam().head) + "\n" + kTrace;
  for (const char* prefix : {"", "[   12.345678] ", "<4>[   12.345678] ", "[   12.345678][   T77] ",
                             "<2>[    1.000000][    C1] ", "login: [   12.345678] "}) {
    const auto findings = heard(with_prefix("boot\nok\n" + body, prefix));
    ASSERT_EQ(findings.size(), 1u) << prefix;
    EXPECT_EQ(findings[0].title, GetParam().title) << prefix;
    EXPECT_EQ(findings[0].kind, GetParam().kind) << prefix;
    EXPECT_EQ(findings[0].first_line, 3u);
    EXPECT_FALSE(findings[0].corrupted);
    EXPECT_THAT(findings[0].excerpt, testing::StartsWith(body.substr(0, body.find('\n'))));
  }
}

TEST_P(Heads, IsFoundBeforeTheReportEnds) {
  Analyzer analyzer;
  const std::string head = GetParam().head;
  analyzer.feed("[    1.000000] " + head.substr(0, head.find('\n')) + "\n");
  EXPECT_EQ(analyzer.findings().size(), 1u);
}

// "BUG: soft lockup - CPU#3 ..." is told as 3_BUG_soft_lockup_CPU_3...
std::string case_name(const testing::TestParamInfo<Case>& one) {
  std::string name = std::to_string(one.index) + "_";
  for (const char c : std::string_view(one.param.head).substr(0, 60))
    if (std::isalnum(static_cast<unsigned char>(c)))
      name += c;
    else if (name.back() != '_')
      name += '_';
  return name;
}

TEST(HeadsTest, SomePanicsAccuseNoKernel) {
  const auto accused = [](std::string_view head) {
    return heard(with_prefix(std::string(head) + "\n" + kTrace, "[   12.345678] ")).at(0).accuses;
  };
  const std::string panic = "Kernel panic - not syncing: ";
  EXPECT_EQ(accused(panic + "VFS: Unable to mount root fs on unknown-block(0,0)"),
            Accuses::missing_init);
  EXPECT_EQ(accused(panic + "VFS: Unable to mount root fs on \"/dev/vda\" or unknown-block(0,0)"),
            Accuses::missing_init);
  EXPECT_EQ(accused(panic + "No working init found.  Try passing init= option to kernel. See Linux "
                            "Documentation/admin-guide/init.rst for guidance."),
            Accuses::missing_init);
  EXPECT_EQ(accused(panic + "IO-APIC + timer doesn't work!  Boot with apic=debug"),
            Accuses::lost_ticks);
  EXPECT_EQ(accused("Oops: int3: 0000 [#1] PREEMPT SMP NOPTI"), Accuses::stale_breakpoint);
  EXPECT_EQ(accused(panic + "Fatal exception"), Accuses::kernel);
}

INSTANTIATE_TEST_SUITE_P(Formats, Heads, testing::ValuesIn(kCases), case_name);

}  // namespace
}  // namespace ktrial::console
