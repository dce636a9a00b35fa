// The families of kernel reports.
#pragma once

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
};

// The enumerator's own name, e.g. "rcu_stall".
std::string_view kind_name(Kind);
// Greater is worse: panic > oops > memory corruption > hard lockup > soft lockup and RCU stall >
// workqueue lockup > hung task > warning > lockdep > the rest.
int severity_of(Kind);

}  // namespace ktrial::console
