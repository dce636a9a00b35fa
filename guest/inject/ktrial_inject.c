// SPDX-License-Identifier: GPL-2.0
// Plants one fault in the running kernel, on purpose, so that it can be proven
// that a harness sees it. For throw-away virtual machines only.
//
//   insmod ktrial_inject.ko fault=soft_lockup cpu=1 seconds=60
//   insmod ktrial_inject.ko fault=warn then=oops after=5 then_cpu=2
//
// Each fault sits in a function of its own that is never inlined: its name is
// what a report about it should name. Faults that stall run in a kernel thread
// bound to `cpu`; the others run in insmod itself, which may then never return.
// There is no module_exit: what was planted cannot be taken back.
//
// Builds against Linux 5.10 and later, on x86.
#include <asm/desc.h>
#include <linux/atomic.h>
#include <linux/bug.h>
#include <linux/completion.h>
#include <linux/cpu.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/irqflags.h>
#include <linux/kthread.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/timekeeping.h>
#include <linux/workqueue.h>

static char* fault = "";
module_param(fault, charp, 0);
MODULE_PARM_DESC(fault, "which fault to plant");
static int cpu = 1;
module_param(cpu, int, 0);
MODULE_PARM_DESC(cpu, "the CPU that a stall is planted on");
static int seconds = 600;
module_param(seconds, int, 0);
MODULE_PARM_DESC(seconds, "how long a stall lasts");

static char* then = "";
module_param(then, charp, 0);
MODULE_PARM_DESC(then, "a second fault, in a kernel thread of its own");
static int after = 5;
module_param(after, int, 0);
MODULE_PARM_DESC(after, "how many seconds later that is planted");
static int then_cpu = 0;
module_param(then_cpu, int, 0);
MODULE_PARM_DESC(then_cpu, "the CPU that the second fault is planted on");

// Stands still until `seconds` are over. Works with interrupts off: the clock
// is read without locks, and a bound on the turns holds should it stand.
// Inlined, so that the instruction pointer stays in the fault's own function.
static __always_inline void stand_still(void) {
  const u64 end = ktime_get_mono_fast_ns() + (u64)seconds * NSEC_PER_SEC;
  u64 turns = (u64)seconds << 32;

  while (turns-- && ktime_get_mono_fast_ns() < end) {
    int i;

    for (i = 0; i < 1000; ++i) cpu_relax();
  }
}

// A thread that stands still between the two.
#define STANDING(name, begin, end)         \
  static noinline int name(void* unused) { \
    begin;                                 \
    stand_still();                         \
    end;                                   \
    return 0;                              \
  }
STANDING(ktrial_soft_lockup, preempt_disable(), preempt_enable())
STANDING(ktrial_hard_lockup, local_irq_disable(), local_irq_enable())
STANDING(ktrial_rcu_stall, rcu_read_lock(), rcu_read_unlock())
STANDING(ktrial_rcu_exp_stall, preempt_disable(), preempt_enable())

static atomic_t still_to_come;

static noinline int ktrial_hard_lockup_all(void* unused) {
  preempt_disable();
  atomic_dec(&still_to_come);
  while (atomic_read(&still_to_come) > 0) cpu_relax();
  local_irq_disable();
  stand_still();
  local_irq_enable();
  preempt_enable();
  return 0;
}

// Takes its CPU from every other thread; the RCU kthread is held on that CPU.
static noinline int ktrial_rcu_kthread_starved(void* unused) {
  sched_set_fifo(current);
  stand_still();
  return 0;
}

static DEFINE_MUTEX(never_given_back);

static noinline int ktrial_mutex_holder(void* started) {
  mutex_lock(&never_given_back);
  complete(started);
  ssleep(seconds);
  mutex_unlock(&never_given_back);
  return 0;
}

static noinline int ktrial_hung_task(void* unused) {
  mutex_lock(&never_given_back);
  mutex_unlock(&never_given_back);
  return 0;
}

static DEFINE_SPINLOCK(one_lock);
static DEFINE_SPINLOCK(other_lock);
struct lock_order {
  spinlock_t *outer, *inner;
};

// Goes well until two CPUs are between their locks at once.
static noinline int ktrial_lock_order(void* data) {
  const struct lock_order* order = data;
  const u64 end = ktime_get_mono_fast_ns() + (u64)seconds * NSEC_PER_SEC;

  while (ktime_get_mono_fast_ns() < end) {
    spin_lock(order->outer);
    udelay(2);
    spin_lock(order->inner);
    spin_unlock(order->inner);
    spin_unlock(order->outer);
    usleep_range(500, 2000);
  }
  return 0;
}

static noinline void ktrial_workqueue_stall(struct work_struct* unused) {
  preempt_disable();
  stand_still();
  preempt_enable();
}
static DECLARE_WORK(stalling_work, ktrial_workqueue_stall);

static noinline int ktrial_warn(void) {
  WARN(1, "ktrial planted this warning\n");
  return 0;
}

static noinline int ktrial_warn_again(void) {
  WARN(1, "ktrial planted this warning, too\n");
  return 0;
}

static noinline int ktrial_bug(void) {
  BUG();
  return 0;
}

// The compiler must not see through these: it would drop what is undefined.
static int* volatile nowhere;
static volatile int nought;

static noinline int ktrial_oops(void) { return *(volatile int*)(nowhere + 4); }

static noinline int ktrial_gpf(void) {
  int* volatile bad = (int*)0xdead4ead00000010UL;

  return *(volatile int*)bad;
}

// Without KASAN nobody would notice: refused, so that nobody waits for it.
static noinline int ktrial_use_after_free(void) {
  volatile char* freed;

  if (!IS_ENABLED(CONFIG_KASAN)) return -EOPNOTSUPP;
  freed = kmalloc(64, GFP_KERNEL);
  if (!freed) return -ENOMEM;
  kfree((void*)freed);
  // Success either way: what counts is the report.
  return freed[8] & 0;
}

static noinline int ktrial_divide(void) {
  // Not 1: the compiler divides that without dividing.
  return 1000 / nought;
}

static noinline int ktrial_list_corruption(void) {
  static LIST_HEAD(head);
  static LIST_HEAD(other);
  struct list_head* volatile entry = &other;

  list_add(entry, &head);
  list_add(entry, &head);
  return 0;
}

static noinline int ktrial_sleep_in_atomic(void) {
  preempt_disable();
  msleep(20);
  preempt_enable();
  return 0;
}

/* Not "..._panic": report readers take such names for the reporting code itself. */
static noinline int ktrial_give_up(void) {
  panic("ktrial planted this panic");
  return 0;
}

// No handler is left: the breakpoint becomes a double, then a triple fault,
// which resets the machine without a word.
static noinline int ktrial_triple_fault(void) {
  static const struct desc_ptr empty;

  local_irq_disable();
  load_idt(&empty);
  asm volatile("int3");
  return 0;
}

// Bound to a CPU, not yet woken.
static struct task_struct* create_on(int (*function)(void*), int on, void* data) {
  struct task_struct* thread;

  thread = kthread_create(function, data, "ktrial_fault/%d", on);
  if (!IS_ERR(thread)) kthread_bind(thread, on);
  return thread;
}

static int start_on(int (*function)(void*), int on, void* data) {
  struct task_struct* thread = create_on(function, on, data);

  if (IS_ERR(thread)) return PTR_ERR(thread);
  wake_up_process(thread);
  return 0;
}

// A grace period must be wanted, or nobody misses the stalled CPU.
static int start_and_synchronize(int (*function)(void*), bool expedited) {
  const int error = start_on(function, cpu, NULL);

  if (error) return error;
  msleep(200);
  if (expedited)
    synchronize_rcu_expedited();
  else
    synchronize_rcu();
  return 0;
}

// All are there before one is woken, and all are woken before this CPU's takes it.
static int start_everywhere(void) {
  struct task_struct** threads = kcalloc(nr_cpu_ids, sizeof(*threads), GFP_KERNEL);
  int on, error = 0;

  if (!threads) return -ENOMEM;
  cpus_read_lock();
  atomic_set(&still_to_come, num_online_cpus());
  for_each_online_cpu(on) {
    threads[on] = create_on(ktrial_hard_lockup_all, on, NULL);
    if (IS_ERR(threads[on])) error = PTR_ERR(threads[on]);
  }
  preempt_disable();
  for_each_online_cpu(on) if (!error) wake_up_process(threads[on]);
  preempt_enable();
  cpus_read_unlock();
  return error;  // and keep the threads: nothing here is ever taken back
}

// The thread that drives RCU's grace periods, by its name.
static int hold_rcu_kthread(void) {
  struct task_struct *task, *found = NULL;
  int error;

  rcu_read_lock();
  for_each_process(task) {
    if (!(task->flags & PF_KTHREAD)) continue;
    if (strcmp(task->comm, "rcu_preempt") && strcmp(task->comm, "rcu_sched")) continue;
    get_task_struct(task);
    found = task;
    break;
  }
  rcu_read_unlock();
  if (!found) return -ESRCH;
  error = set_cpus_allowed_ptr(found, cpumask_of(cpu));
  put_task_struct(found);
  return error;
}

static void nothing(struct rcu_head* unused) {}

// "Starved" is said of a grace period under way. So one is begun, kept up by a
// reader here until the starving thread runs, and then left to the kthread.
static int starve_rcu_kthread(void) {
  static struct rcu_head wanted;
  struct task_struct* thread;
  int error;

  thread = kthread_create(ktrial_rcu_kthread_starved, NULL, "ktrial_fault/%d", cpu);
  if (IS_ERR(thread)) return PTR_ERR(thread);
  kthread_bind(thread, cpu);
  error = hold_rcu_kthread();
  if (error) return error;
  rcu_read_lock();
  call_rcu(&wanted, nothing);
  mdelay(500);
  wake_up_process(thread);
  mdelay(500);
  rcu_read_unlock();
  return 0;
}

static int hang_task(void) {
  static DECLARE_COMPLETION(started);
  struct task_struct* thread;

  thread = kthread_run(ktrial_mutex_holder, &started, "ktrial_holder");
  if (IS_ERR(thread)) return PTR_ERR(thread);
  wait_for_completion(&started);
  thread = kthread_run(ktrial_hung_task, NULL, "ktrial_waiter");
  return PTR_ERR_OR_ZERO(thread);
}

// On `cpu` and on the last other one.
static int deadlock(void) {
  static struct lock_order forth = {&one_lock, &other_lock}, back = {&other_lock, &one_lock};
  int on, other = -1, error;

  for_each_online_cpu(on) if (on != cpu) other = on;
  if (other < 0) return -ENODEV;
  error = start_on(ktrial_lock_order, cpu, &forth);
  return error ? error : start_on(ktrial_lock_order, other, &back);
}

static int soft_lockup(void) { return start_on(ktrial_soft_lockup, cpu, NULL); }
static int hard_lockup(void) { return start_and_synchronize(ktrial_hard_lockup, false); }
static int rcu_stall(void) { return start_and_synchronize(ktrial_rcu_stall, false); }
static int rcu_exp_stall(void) { return start_and_synchronize(ktrial_rcu_exp_stall, true); }
static int workqueue_stall(void) { return schedule_work_on(cpu, &stalling_work) ? 0 : -EBUSY; }

static const struct {
  const char* name;
  int (*plant)(void);
} faults[] = {
    {"soft_lockup", soft_lockup},
    {"hard_lockup", hard_lockup},
    {"hard_lockup_all", start_everywhere},
    {"rcu_stall", rcu_stall},
    {"rcu_exp_stall", rcu_exp_stall},
    {"rcu_kthread_starved", starve_rcu_kthread},
    {"hung_task", hang_task},
    {"workqueue_stall", workqueue_stall},
    {"deadlock", deadlock},
    {"warn", ktrial_warn},
    {"warn_again", ktrial_warn_again},
    {"bug", ktrial_bug},
    {"oops", ktrial_oops},
    {"gpf", ktrial_gpf},
    {"divide", ktrial_divide},
    {"use_after_free", ktrial_use_after_free},
    {"list_corruption", ktrial_list_corruption},
    {"sleep_in_atomic", ktrial_sleep_in_atomic},
    {"panic", ktrial_give_up},
    {"triple_fault", ktrial_triple_fault},
};

static int plant(const char* name) {
  size_t i;

  for (i = 0; i < ARRAY_SIZE(faults); ++i)
    if (!strcmp(name, faults[i].name)) return faults[i].plant();
  return -ENOENT;
}

static int plant_later(void* unused) {
  ssleep(after);
  return plant(then);
}

static bool is_usable(int on) { return on >= 0 && on < nr_cpu_ids && cpu_online(on); }

static int __init ktrial_inject_init(void) {
  int error;

  if (!is_usable(cpu) || seconds < 1) return -EINVAL;
  if (*then) {
    if (!is_usable(then_cpu) || after < 0) return -EINVAL;
    error = start_on(plant_later, then_cpu, NULL);
    if (error) return error;
  }
  return plant(fault);
}
module_init(ktrial_inject_init);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Plants faults that a test harness has to detect");
