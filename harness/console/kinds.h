// The families of kernel reports.
#pragma once

#include <optional>
#include <string_view>

namespace ktrial::console {

enum class Kind {
  panic,
  double_fault,
  oops,
  null_dereference,
  gpf,
  divide_error,
  bug,
  stack_overflow,
  list_corruption,
  bad_usercopy,
  kasan,
  kfence,
  kmsan,
  kcsan,
  ubsan,
  memory_corruption,
  memory_leak,
  hard_lockup,
  soft_lockup,
  rcu_stall,
  workqueue_lockup,
  csd_lockup,
  spinlock,
  hung_task,
  atomic_sleep,
  preemption,
  bad_page,
  filesystem,
  warning,
  refcount,
  odebug,
  lockdep,
  suspicious_rcu,
  held_lock,
  lockdep_limit,
  netdev_unregister,
  rust_panic,
  firmware,
  test_harness,
  // Notes: see is_note().
  page_allocation,
  out_of_memory,
  netdev_watchdog,
  reboot,  // a finding: the machine started again on its own
};

// The enumerator's own name, e.g. "rcu_stall".
std::string_view kind_name(Kind);
// The kind of that name, e.g. for a list in a spec.
std::optional<Kind> kind_named(std::string_view name);
// Want of memory, a dead network card: the kernel may well be right to say so. They
// are told, but fail nothing unless somebody asks.
bool is_note(Kind);
// Greater is worse: panic > oops > memory corruption > hard lockup > soft lockup and RCU stall >
// workqueue lockup > hung task > warning > lockdep > the rest.
int severity_of(Kind);

}  // namespace ktrial::console
