/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the kernel's torture tests call, and a kernel that was built without them does not export.
 * Real-time boosting needs the real thing, so the tests run with test_boost=0. Functions, not
 * macros with arguments: the tests declare some of them once more.
 */
#include <linux/interrupt.h>
#include <linux/percpu.h>
#include <linux/pid.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/debug.h>
#include <linux/sched/rt.h>
#include <linux/sched/sysctl.h>
#include <linux/sched/task.h>
#include <linux/torture.h>
#include <uapi/linux/sched/types.h>

/*
 * In kernels after 6.12 synchronize_rcu_tasks_rude() returns at once where no code runs that RCU
 * does not watch, unless a test's kernel forces it to wait: torturing that would only show it.
 */
#if defined(KTRIAL_RUDE_MAY_NOT_WAIT) && defined(CONFIG_ARCH_WANTS_NO_INSTR) && \
    !defined(CONFIG_FORCE_TASKS_RUDE_RCU)
#undef CONFIG_TASKS_RUDE_RCU
#endif

static int __maybe_unused ktrial_rt_runtime = 950000;
#define sysctl_sched_rt_runtime ktrial_rt_runtime

static DEFINE_PER_CPU(struct task_struct*, ktrial_no_task) __maybe_unused;
#define ksoftirqd ktrial_no_task
#define ktimerd ktrial_no_task
#undef force_irqthreads
#define force_irqthreads() false

/* Its third parameter came with a later kernel. */
#ifdef KTRIAL_BIND_WARNS
#define KTRIAL_WARNS , bool dowarn
#else
#define KTRIAL_WARNS
#endif
static long __maybe_unused ktrial_bind(pid_t pid, const struct cpumask* mask KTRIAL_WARNS) {
  struct task_struct* task = get_pid_task(find_get_pid(pid), PIDTYPE_PID);
  long result = -ESRCH;

  if (task) {
    result = set_cpus_allowed_ptr(task, mask);
    put_task_struct(task);
  }
  return result;
}
#define torture_sched_setaffinity ktrial_bind

#define rcutorture_sched_setaffinity ktrial_bind

static int __maybe_unused ktrial_set_fifo(struct task_struct* task, int policy,
                                          const struct sched_param* parameters) {
  sched_set_fifo_low(task);
  return 0;
}
#define sched_setscheduler_nocheck ktrial_set_fifo

static void __maybe_unused ktrial_dump(int cpu) {
  pr_alert("CPU %d: its stack is not exported\n", cpu);
}
#define dump_cpu_task ktrial_dump

static void __maybe_unused ktrial_resched(int cpu) {}
#define resched_cpu ktrial_resched
