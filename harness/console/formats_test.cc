// One case per report format: kernel versions' variants, architectures' variants.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "harness/console/analyzer.h"

namespace ktrial::console {
namespace {

struct Format {
  const char* name;
  const char* text;  // without printk prefix
  const char* title;
  Kind kind;
  const char* culprit;
};

constexpr const char* kNullPointerBody =
    "#PF: supervisor read access in kernel mode\n"
    "#PF: error_code(0x0000) - not-present page\n"
    "Oops: 0000 [#1] PREEMPT SMP NOPTI\n"
    "CPU: 1 PID: 7 Comm: a b Not tainted 5.10.0 #1\n"
    "RIP: 0010:foo_read+0x10/0x20\n"
    "Call Trace:\n"
    " vfs_read+0x9d/0x1a0\n";

std::string nmi_blocks() {
  return "Sending NMI from CPU 0 to CPUs 1-2:\n"
         "NMI backtrace for cpu 1\n"
         "CPU: 1 PID: 11 Comm: spin Not tainted 6.12.0 #1\n"
         "RIP: 0010:stuck_loop+0x55/0xc0\n"
         "Call Trace:\n"
         " <TASK>\n"
         " stuck_ioctl+0x1/0x2\n"
         " __x64_sys_ioctl+0x1/0x2\n"
         "NMI backtrace for cpu 2\n"
         "CPU: 2 PID: 12 Comm: wait Not tainted 6.12.0 #1\n"
         "RIP: 0010:native_queued_spin_lock_slowpath+0x6f/0x2e0\n"
         "Call Trace:\n"
         " _raw_spin_lock+0x29/0x30\n"
         " foo_wait+0x1/0x2\n";
}

const std::vector<Format>& formats() {
  using enum Kind;
  static const std::string waiter =
      "CPU: 0 PID: 10 Comm: w Not tainted 6.12.0 #1\n"
      "RIP: 0010:smp_call_function_many_cond+0x11b/0x570\n"
      "Call Trace:\n"
      " on_each_cpu_cond_mask+0x20/0x40\n"
      " flush_tlb_mm_range+0xc3/0x130\n" +
      nmi_blocks();
  static const std::string soft =
      "watchdog: BUG: soft lockup - CPU#0 stuck for 9s! [w:10]\n" + waiter;
  static const std::string hard5 =
      "NMI watchdog: Watchdog detected hard LOCKUP on cpu 0\n" + waiter;
  static const std::string hard612 = "watchdog: Watchdog detected hard LOCKUP on cpu 0\n" + waiter;
  static const std::string hard618 =
      "watchdog: CPU2: Watchdog detected hard LOCKUP on cpu 0\n" + waiter;
  static const std::string rcu_old =
      "rcu: INFO: rcu_sched self-detected stall on CPU\n"
      "rcu: \t1-....: (5249 ticks this GP) idle=a3e/1/0x4000000000000002 softirq=1/2 fqs=2\n"
      "\t(t=5250 jiffies g=1209 q=17)\n"
      "NMI backtrace for cpu 1\n"
      "CPU: 1 PID: 77 Comm: dd Not tainted 5.10.0 #1\n"
      "Call Trace:\n"
      " <IRQ>\n"
      " dump_stack+0x6d/0x8b\n"
      " nmi_cpu_backtrace.cold+0x30/0x63\n"
      " rcu_dump_cpu_stacks+0xc4/0xf4\n"
      " rcu_sched_clock_irq.cold+0x200/0x3d9\n"
      " update_process_times+0x8c/0xc0\n"
      " tick_sched_timer+0x88/0x90\n"
      " __hrtimer_run_queues+0x12f/0x270\n"
      " </IRQ>\n"
      " asm_sysvec_apic_timer_interrupt+0x12/0x20\n"
      "RIP: 0010:inner_loop+0x10/0x20\n"
      " mydev_write+0x77/0x90 [mydev]\n"
      " vfs_write+0xc0/0x250\n"
      " ksys_write+0x5f/0xe0\n"
      " do_syscall_64+0x33/0x80\n";
  static const std::string exp =
      "rcu: INFO: rcu_preempt detected expedited stalls on CPUs/tasks: { 1-.... } 504 jiffies s: "
      "69 "
      "root: 0x2/.\n" +
      nmi_blocks();
  static const std::string other =
      "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:\n"
      "rcu: \t1-...0: (1 GPs behind) idle=3c5c/1/0x4000000000000000 softirq=1/1 fqs=1990\n"
      "rcu: \t(detected by 0, t=5252 jiffies, g=-719, q=12 ncpus=3)\n" +
      nmi_blocks();
  static const std::string null_old =
      std::string("BUG: kernel NULL pointer dereference, address: 0000000000000010\n") +
      kNullPointerBody;
  static const std::string page_fault =
      std::string("BUG: unable to handle page fault for address: ffffffffdeadbeef\n") +
      kNullPointerBody;
  static const std::vector<Format> all = {
      {"soft_lockup", soft.c_str(), "BUG: soft lockup in smp_call_function", soft_lockup,
       "stuck_loop"},
      {"hard_lockup_5_10", hard5.c_str(), "BUG: hard lockup in smp_call_function", hard_lockup,
       "stuck_loop"},
      {"hard_lockup_6_12", hard612.c_str(), "BUG: hard lockup in smp_call_function", hard_lockup,
       "stuck_loop"},
      {"hard_lockup_6_18", hard618.c_str(), "BUG: hard lockup in smp_call_function", hard_lockup,
       "stuck_loop"},
      {"rcu_self", rcu_old.c_str(), "INFO: rcu detected stall in mydev_write", rcu_stall,
       "inner_loop"},
      {"rcu_other", other.c_str(), "INFO: rcu detected stall in stuck_ioctl", rcu_stall,
       "stuck_loop"},
      {"rcu_expedited", exp.c_str(), "INFO: rcu detected stall in stuck_ioctl", rcu_stall,
       "stuck_loop"},
      {"rcu_tasks", "INFO: rcu_tasks detected stalls on tasks:\n", "INFO: rcu detected stall",
       rcu_stall, ""},
      // arm64 before 6.12: the stuck CPU answers nobody, and what is dumped is where its task last
      // slept.
      {"rcu_without_witness",
       "rcu: INFO: rcu_sched detected stalls on CPUs/tasks:\n"
       "rcu: \t1-...0: (1 GPs behind) idle=3c5c/1/0x4000000000000000 softirq=1/1 fqs=1990\n"
       "\t(detected by 0, t=5252 jiffies, g=-719, q=12 ncpus=4)\n"
       "Task dump for CPU 1:\n"
       "task:spin/1 state:R  running task     stack:0     pid:87    ppid:2      "
       "flags:0x00000008\n"
       "Call trace:\n __switch_to+0xf0/0x170\n __schedule+0x2ec/0x990\n schedule+0x60/0x100\n"
       " kthread_parkme+0x40/0x70\n kthread+0xf4/0x110\n ret_from_fork+0x10/0x20\n",
       "INFO: rcu detected stall", rcu_stall, ""},
      {"rcu_csd",
       "rcu: INFO: rcu_preempt detected stalls, but suppressed full report due to a stuck "
       "CSD-lock.\n",
       "INFO: rcu detected stall", rcu_stall, ""},
      {"hung_task",
       "INFO: task init:1:92 blocked for more than 120 seconds.\n"
       "task:init:1 state:D stack:0 pid:92 ppid:1 flags:0x00004000\n"
       "Call Trace:\n <TASK>\n __schedule+0x351/0xa20\n schedule+0x5d/0xe0\n"
       " __mutex_lock.constprop.0+0x3b6/0x660\n mydev_open+0x22/0x90\n",
       "INFO: task hung in mydev_open", hung_task, "mydev_open"},
      {"hung_task_io_7_3",
       "INFO: task dd:92 blocked in I/O wait for more than 120 seconds.\n"
       "Call Trace:\n __schedule+0x351/0xa20\n io_schedule+0x46/0x70\n folio_wait_bit+0x1/0x2\n "
       "foo_writepages+0x1/0x2\n",
       "INFO: task hung in foo_writepages", hung_task, "foo_writepages"},
      {"workqueue_lockup",
       "BUG: workqueue lockup - pool cpus=1 node=0 flags=0x0 nice=0 stuck for 32s!\n",
       "BUG: workqueue lockup", workqueue_lockup, ""},
      {"warn_5_10", "WARNING: CPU: 1 PID: 79 at /src/ktinj.c:60 mode_warn+0x12/0x30 [ktinj]\n",
       "WARNING in mode_warn", warning, "mode_warn"},
      {"warn_6_19", "WARNING: fs/dcache.c:829 at dentry_warn+0x334/0x430, CPU#1: a/b c/5830\n",
       "WARNING in dentry_warn", warning, "dentry_warn"},
      {"bug_5_10",
       "kernel BUG at mm/slub.c:305!\ninvalid opcode: 0000 [#1] PREEMPT SMP NOPTI\n"
       "CPU: 0 PID: 1 Comm: x Not tainted 5.10.0 #1\nRIP: 0010:set_freepointer+0x30/0x40\n",
       "kernel BUG in set_freepointer", bug, "set_freepointer"},
      {"bug_6_12",
       "kernel BUG at mm/slub.c:305!\nOops: invalid opcode: 0000 [#1] SMP NOPTI\n"
       "CPU: 0 UID: 0 PID: 1 Comm: x Not tainted 6.12.0 #1\nRIP: 0010:set_freepointer+0x30/0x40\n",
       "kernel BUG in set_freepointer", bug, "set_freepointer"},
      {"null_pointer", null_old.c_str(),
       "BUG: unable to handle kernel NULL pointer dereference in foo_read", null_dereference,
       "foo_read"},
      {"page_fault", page_fault.c_str(), "BUG: unable to handle kernel paging request in foo_read",
       oops, "foo_read"},
      {"gpf_6_12",
       "Oops: general protection fault, probably for non-canonical address 0xdead000000000100: "
       "0000 "
       "[#1] SMP NOPTI\nRIP: 0010:__list_del_entry_valid_or_report+0x10/0x20\nCall Trace:\n"
       " foo_remove+0x1/0x2\n",
       "general protection fault in foo_remove", gpf, "foo_remove"},
      {"divide_6_12", "Oops: divide error: 0000 [#1] SMP\nRIP: 0010:foo_div+0x10/0x20\n",
       "divide error in foo_div", divide_error, "foo_div"},
      {"arm64_null",
       "Unable to handle kernel NULL pointer dereference at virtual address 0000000000000008\n"
       "Internal error: Oops: 0000000096000004 [#1] SMP\n"
       "pc : foo_probe+0x10/0x20\nlr : bar+0x1/0x2\nCall trace:\n foo_probe+0x10/0x20\n",
       "BUG: unable to handle kernel NULL pointer dereference in foo_probe", null_dereference,
       "foo_probe"},
      {"powerpc_page",
       "BUG: Unable to handle kernel data access on read at 0xc00c000000000000\n"
       "Faulting instruction address: 0xc0000000003f0b0c\n"
       "Oops: Kernel access of bad area, sig: 11 [#1]\n"
       "NIP [c0000000003f0b0c] foo_ppc+0x10/0x20\n",
       "BUG: unable to handle kernel paging request in foo_ppc", oops, "foo_ppc"},
      {"arm_trace",
       "Unable to handle kernel paging request at virtual address dead0000\n"
       "PC is at memcpy+0x10/0x20\nBacktrace: \n"
       "[<80100a74>] (memcpy) from [<802e1324>] (foo_arm+0x30/0x40)\n",
       "BUG: unable to handle kernel paging request in foo_arm", oops, "foo_arm"},
      {"kasan",
       "BUG: KASAN: slab-use-after-free in __list_add_valid+0x1/0x2\n"
       "Write of size 8 at addr ffff888012345678 by task a/1\n"
       "CPU: 0 PID: 1 Comm: a Not tainted 6.12.0 #1\nCall Trace:\n dump_stack_lvl+0x1/0x2\n"
       " kasan_report+0x1/0x2\n __list_add_valid+0x1/0x2\n foo_add+0x1/0x2\n\n"
       "Allocated by task 9:\n bar_alloc+0x1/0x2\n",
       "KASAN: slab-use-after-free Write in foo_add", kasan, "foo_add"},
      {"kcsan", "BUG: KCSAN: data-race in zzz_read / aaa_write\n",
       "KCSAN: data-race in aaa_write / zzz_read", kcsan, "zzz_read"},
      {"kmsan", "BUG: KMSAN: uninit-value in foo_check+0x1/0x2\n",
       "KMSAN: uninit-value in foo_check", kmsan, "foo_check"},
      {"kfence",
       "BUG: KFENCE: use-after-free read in foo_uaf+0x1/0x2\n\nUse-after-free read at 0x1 (in "
       "kfence-#1):\n foo_uaf+0x1/0x2\n",
       "KFENCE: use-after-free read in foo_uaf", kfence, "foo_uaf"},
      {"ubsan",
       "UBSAN: array-index-out-of-bounds in drivers/x.c:1:2\nindex 5 is out of range\nCall Trace:\n"
       " __ubsan_handle_out_of_bounds+0x1/0x2\n foo_index+0x1/0x2\n",
       "UBSAN: array-index-out-of-bounds in foo_index", ubsan, "foo_index"},
      {"circular_lock",
       "WARNING: possible circular locking dependency detected\n6.12.0 #1 Not tainted\n"
       "a/1 is trying to acquire lock:\n ffff88 (&x){+.+.}-{4:4}, at: foo_lock_x+0x1/0x2\n\n"
       "but task is already holding lock:\n ffff89 (&y){+.+.}-{4:4}, at: bar+0x1/0x2\n",
       "possible deadlock in foo_lock_x", lockdep, "foo_lock_x"},
      {"suspicious_rcu",
       "WARNING: suspicious RCU usage\nstack backtrace:\nCPU: 0 PID: 1 Comm: a Not tainted 6.1 #1\n"
       "Call Trace:\n dump_stack_lvl+0x1/0x2\n lockdep_rcu_suspicious+0x1/0x2\n "
       "foo_deref+0x1/0x2\n",
       "WARNING: suspicious RCU usage in foo_deref", suspicious_rcu, "foo_deref"},
      {"list",
       "list_add corruption. next->prev should be prev (1), but was 2. (next=3).\n"
       "------------[ cut here ]------------\nkernel BUG at lib/list_debug.c:23!\n"
       "invalid opcode: 0000 [#1] SMP\nRIP: 0010:__list_add_valid.cold+0x1/0x2\nCall Trace:\n"
       " foo_insert+0x1/0x2\n",
       "BUG: corrupted list in foo_insert", list_corruption, "foo_insert"},
      {"atomic",
       "BUG: scheduling while atomic: insmod/92/0x00000002\nCall Trace:\n __schedule_bug+0x1/0x2\n"
       " __schedule+0x1/0x2\n schedule+0x1/0x2\n foo_sleeps+0x1/0x2\n",
       "BUG: scheduling while atomic in foo_sleeps", atomic_sleep, "foo_sleeps"},
      // foo_forgets has returned.
      {"atomic_rcu_left",
       "BUG: sleeping function called from invalid context at fs/dcache.c:840\n"
       "in_atomic(): 0, irqs_disabled(): 0, non_block: 0, pid: 92, name: insmod\n"
       "preempt_count: 0, expected: 0\nRCU nest depth: 1, expected: 0\n"
       "2 locks held by insmod/92:\n"
       " #0: ffff888003c2f448 (&foo->lock){+.+.}-{3:3}, at: foo_takes_lock+0x1/0x2\n"
       " #1: ffffffff82b5c7a0 (rcu_read_lock){....}-{1:2}, at: foo_forgets+0x1/0x2\n"
       "Call Trace:\n dump_stack_lvl+0x1/0x2\n __might_resched+0x1/0x2\n foo_sleeps+0x1/0x2\n",
       "BUG: sleeping function called from invalid context in foo_sleeps", atomic_sleep,
       "foo_forgets"},
      {"atomic_rcu_left_remains",
       "BUG: sleeping function called from invalid context at kernel/rseq.c:161\n"
       "1 lock held by insmod/92:\n"
       " #0: ffffffff82b5c7a0 (rcu_read_lock){....}-{1:2}, at: foo_forgets+0x1/0x2\n"
       "Call Trace:\n dump_stack_lvl+0x1/0x2\n __might_resched+0x1/0x2\n foo_sleeps+0x1/0x2\n"
       " ? foo_forgets+0x1/0x2\n do_syscall_64+0x1/0x2\n",
       "BUG: sleeping function called from invalid context in foo_sleeps", atomic_sleep,
       "foo_forgets"},
      {"atomic_rcu_guessed",
       "BUG: sleeping function called from invalid context at kernel/rseq.c:161\n"
       "1 lock held by insmod/92:\n"
       " #0: ffffffff82b5c7a0 (rcu_read_lock){....}-{1:2}, at: foo_reads+0x1/0x2\n"
       "Call Trace:\n ? dump_stack_lvl+0x1/0x2\n ? __might_resched+0x1/0x2\n"
       " ? foo_sleeps+0x1/0x2\n ? foo_reads+0x1/0x2\n",
       "BUG: sleeping function called from invalid context in foo_sleeps", atomic_sleep,
       "foo_sleeps"},
      {"atomic_rcu_kept",
       "BUG: sleeping function called from invalid context at fs/dcache.c:840\n"
       "1 lock held by insmod/92:\n"
       " #0: ffffffff82b5c7a0 (rcu_read_lock){....}-{1:2}, at: foo_reads+0x1/0x2\n"
       "Call Trace:\n dump_stack_lvl+0x1/0x2\n __might_resched+0x1/0x2\n foo_sleeps+0x1/0x2\n"
       " foo_reads+0x1/0x2\n",
       "BUG: sleeping function called from invalid context in foo_sleeps", atomic_sleep,
       "foo_sleeps"},
      {"bad_page", "BUG: Bad rss-counter state mm:ffff type:MM_ANONPAGES val:1\n",
       "BUG: Bad rss-counter state", bad_page, ""},
      {"netdev", "unregister_netdevice: waiting for lo to become free. Usage count = 2\n",
       "unregister_netdevice: waiting for DEV to become free", netdev_unregister, ""},
      {"csd",
       "csd: Detected non-responsive CSD lock (#1) on CPU#0, waiting 5000000000 ns for CPU#02 "
       "f+0x0/0x10(0x0).\n",
       "csd: non-responsive CSD lock", csd_lockup, ""},
      {"panic", "Kernel panic - not syncing: sysrq triggered crash\n",
       "kernel panic: sysrq triggered crash", panic, ""},
      {"panic_init", "Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b\n",
       "kernel panic: Attempted to kill init!", panic, ""},
      {"unknown_bug", "BUG: something that nobody has listed at 0xffff888012345678\n",
       "BUG: something that nobody has listed at ADDR", bug, ""},
  };
  return all;
}

std::string prefixed(const char* text, const std::string& prefix) {
  std::istringstream in(text);
  std::string out = "[    0.000000] Linux version 6.12.0\n";
  for (std::string line; std::getline(in, line);) out += prefix + line + "\n";
  return out;
}

void PrintTo(const Format& format, std::ostream* out) { *out << format.name; }

class FormatTest : public testing::TestWithParam<Format> {};

TEST_P(FormatTest, IsFoundUnderEveryPrefix) {
  for (const char* prefix :
       {"[   41.803127] ", "[   41.803127][   T87] ", "[   41.803127][    C1] ",
        "<0>[   41.803127] ", "<4>[   41.803127][  T123] ", "half a line [    1.000000] "}) {
    SCOPED_TRACE(prefix);
    Analyzer analyzer;
    analyzer.feed(prefixed(GetParam().text, prefix));
    analyzer.finish();
    ASSERT_THAT(analyzer.findings(), testing::SizeIs(1));
    const Finding& finding = analyzer.findings()[0];
    EXPECT_EQ(finding.title, GetParam().title);
    EXPECT_EQ(name(finding.kind), name(GetParam().kind));
    EXPECT_EQ(finding.culprit, GetParam().culprit);
    EXPECT_EQ(finding.first_line, 2U);
    EXPECT_EQ(finding.severity, severity_of(GetParam().kind));
  }
}

TEST_P(FormatTest, IsFoundWithoutPrefix) {
  Analyzer analyzer;
  analyzer.feed(GetParam().text);
  analyzer.finish();
  ASSERT_THAT(analyzer.findings(), testing::SizeIs(1));
  EXPECT_EQ(analyzer.findings()[0].title, GetParam().title);
}

INSTANTIATE_TEST_SUITE_P(All, FormatTest, testing::ValuesIn(formats()),
                         [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace ktrial::console
