#include "harness/selftest/faults.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace ktrial::selftest {
namespace {

using results::Kind;
using results::Outcome;

// The limits are the guest's, in its own seconds. They stay below the shortest
// silence of a heartbeat that ends a trial (spec/timeouts.cc, 8 s under KVM), but
// where a CPU stands with interrupts off and only that silence can tell.
const std::vector<Fault>& table() {
  static const std::vector<Fault> kFaults = {
      {"none", "nothing: a healthy kernel", Way::workload, {.outcome = Outcome::pass}},
      {"soft_lockup",
       "a thread spins without preemption",
       Way::module,
       {.kinds = {Kind::soft_lockup}, .culprits = {"ktrial_soft_lockup"}},
       "watchdog_thresh=2 rcupdate.rcu_cpu_stall_timeout=60"},
      // Only a kernel with a PMU or the buddy detector calls it by its name.
      {"hard_lockup",
       "one CPU spins with interrupts off",
       Way::module,
       {.kinds = {Kind::hard_lockup, Kind::rcu_stall, Kind::silent_stall},
        .culprits = {"ktrial_hard_lockup"}},
       "rcupdate.rcu_cpu_stall_timeout=3"},
      // No detector of the kernel is left to speak.
      {"hard_lockup_all",
       "every CPU spins with interrupts off",
       Way::module,
       {.kinds = {Kind::hard_lockup, Kind::silent_stall}, .culprits = {"ktrial_hard_lockup_all"}},
       // On a slow host the last CPU is caught late; until then it shall not complain.
       "watchdog_thresh=30 rcupdate.rcu_cpu_stall_timeout=60"},
      {"rcu_stall",
       "a thread spins in an RCU read-side section",
       Way::module,
       {.kinds = {Kind::rcu_stall}, .culprits = {"ktrial_rcu_stall"}},
       "watchdog_thresh=30 rcupdate.rcu_cpu_stall_timeout=3"},
      // Before 5.19 both kinds of grace period have one limit.
      {"rcu_exp_stall",
       "a CPU holds up an expedited grace period",
       Way::module,
       {.kinds = {Kind::rcu_stall},
        .culprits = {"ktrial_rcu_exp_stall"},
        .console = "detected expedited stalls on CPUs/tasks"},
       "watchdog_thresh=30 rcupdate.rcu_cpu_stall_timeout=6 "
       "rcupdate.rcu_exp_cpu_stall_timeout=2000"},
      // The kernel says "starved" only if the kthread has not run for 2 s, and the
      // grace period is a second old when it is taken from its CPU.
      {"rcu_kthread_starved",
       "a real-time thread keeps RCU's kthread from running",
       Way::module,
       {.kinds = {Kind::rcu_stall},
        .culprits = {"ktrial_rcu_kthread_starved"},
        .console = "kthread starved for"},
       "watchdog_thresh=30 rcupdate.rcu_cpu_stall_timeout=5 "
       "sysctl.kernel.sched_rt_runtime_us=-1"},
      // The one that waits, or, where it can be seen, the one that it waits for.
      {"hung_task",
       "a task waits for a mutex that is never given back",
       Way::module,
       {.kinds = {Kind::hung_task}, .culprits = {"ktrial_hung_task", "ktrial_mutex_holder"}},
       "sysctl.kernel.hung_task_timeout_secs=3 sysctl.kernel.hung_task_check_interval_secs=1"},
      // Many kernels are built without CONFIG_WQ_WATCHDOG.
      {"workqueue_stall",
       "a work item spins without preemption",
       Way::module,
       {.kinds = {Kind::workqueue_lockup, Kind::soft_lockup},
        .culprits = {"ktrial_workqueue_stall"}},
       "watchdog_thresh=2 rcupdate.rcu_cpu_stall_timeout=60 workqueue.watchdog_thresh=3"},
      // Two CPUs stand, and either may be named.
      {"deadlock",
       "two threads take two locks, each in its own order",
       Way::module,
       {.kinds = {Kind::soft_lockup, Kind::silent_stall}, .culprits = {"ktrial_lock_order"}},
       "watchdog_thresh=2 rcupdate.rcu_cpu_stall_timeout=60"},
      {"warn", "WARN()", Way::module, {.kinds = {Kind::warning}, .culprits = {"ktrial_warn"}}},
      {"bug", "BUG()", Way::module, {.kinds = {Kind::bug}, .culprits = {"ktrial_bug"}}},
      {"oops",
       "a NULL pointer is read",
       Way::module,
       {.kinds = {Kind::null_dereference}, .culprits = {"ktrial_oops"}}},
      {"gpf",
       "a non-canonical address is read",
       Way::module,
       {.kinds = {Kind::gpf}, .culprits = {"ktrial_gpf"}}},
      {"divide",
       "a division by zero",
       Way::module,
       {.kinds = {Kind::divide_error}, .culprits = {"ktrial_divide"}}},
      {"use_after_free",
       "memory is read after it was freed",
       Way::module,
       {.kinds = {Kind::kasan},
        .culprits = {"ktrial_use_after_free"},
        .title = "use-after-free Read in"},
       "",
       {},
       "CONFIG_KASAN=y"},
      {"list_corruption",
       "a list entry is added twice",
       Way::module,
       {.kinds = {Kind::list_corruption}, .culprits = {"ktrial_list_corruption"}}},
      {"sleep_in_atomic",
       "msleep() without preemption",
       Way::module,
       {.kinds = {Kind::atomic_sleep}, .culprits = {"ktrial_sleep_in_atomic"}}},
      {"panic",
       "panic()",
       Way::module,
       {.kinds = {Kind::panic},
        .culprits = {"ktrial_give_up"},
        .title = "ktrial planted this panic"}},
      {"triple_fault",
       "the CPU loses its exception handlers",
       Way::module,
       {.kinds = {Kind::reset}}},
      // The only report of a kernel that needs no module.
      {"sysrq_crash",
       "the kernel is told to panic (SysRq c)",
       Way::workload,
       {.kinds = {Kind::panic},
        .culprits = {"sysrq_handle_crash"},
        .title = "sysrq triggered crash"}},
      // The kernel does what it has to; it is the workload that is the worse for it.
      {"oom",
       "a program takes all memory",
       Way::workload,
       {.kinds = {Kind::workload}, .console = "Out of memory: Killed process"}},
      {"init_death",
       "process 1 exits",
       Way::init,
       {.kinds = {Kind::panic}, .title = "Attempted to kill init"}},
      // The kernel was never judged: it may be the fault of our own agent.
      {"early_hang",
       "process 1 never speaks",
       Way::init,
       {.outcome = Outcome::inconclusive, .kinds = {Kind::no_boot}},
       "",
       std::chrono::seconds(15)},
      {"user_crash",
       "the workload dies of SIGSEGV",
       Way::workload,
       {.kinds = {Kind::workload}, .title = "killed by signal 11"}},
      {"console_flood",
       "4000 lines go to the console, nothing is wrong",
       Way::workload,
       {.outcome = Outcome::pass, .console = "ktrial flood: the last of 4000 lines"}},
  };
  return kFaults;
}

}  // namespace

std::span<const Fault> all_faults() { return table(); }

Result<std::vector<Fault>> choose_faults(const std::vector<std::string>& names) {
  std::vector<std::string_view> known;
  for (const Fault& fault : all_faults()) known.push_back(fault.name);
  for (const std::string& name : names)
    if (std::ranges::find(known, name) == known.end())
      return usage_error("--only " + name + ": no such fault",
                         fmt::format("there are: {}", fmt::join(known, ", ")));
  std::vector<Fault> chosen;
  for (const Fault& fault : all_faults())
    if (names.empty() || std::ranges::find(names, fault.name) != names.end())
      chosen.push_back(fault);
  return chosen;
}

spec::TrialSpec trial_of(const Fault& fault, spec::TrialSpec base) {
  base.workload = "inject";
  base.command.clear();
  base.repeat = 1;
  base.until_fail = false;
  // What the user appended comes last, and wins.
  std::string append(fault.append);
  if (fault.way == Way::init) {
    // The kernel hands what it does not know to init, in its environment.
    base.start = spec::Start::cold;  // no agent says hello, where a template would be taken
    base.guest_seed.clear();
    base.confirm_cold = 0;
    append += fmt::format("rdinit=/workloads/inject ktrial_fault={}", fault.name);
  } else {
    base.parameters["fault"] = fault.name;
  }
  if (!base.append.empty()) append += (append.empty() ? "" : " ") + base.append;
  base.append = append;
  if (fault.timeout && !base.timeout) base.timeout = *fault.timeout;
  return base;
}

std::vector<std::string_view> names_of(const std::vector<Kind>& kinds) {
  std::vector<std::string_view> out;
  for (const Kind kind : kinds) out.push_back(name(kind));
  return out;
}

std::string describe(const Expected& expected) {
  std::string text(name(expected.outcome));
  if (!expected.kinds.empty())
    text += fmt::format(": {}", fmt::join(names_of(expected.kinds), " or "));
  if (!expected.culprits.empty())
    text += fmt::format(" in {}", fmt::join(expected.culprits, " or "));
  return text;
}

}  // namespace ktrial::selftest
