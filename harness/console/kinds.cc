#include "harness/console/kinds.h"

namespace ktrial::console {

bool is_note(Kind kind) {
  using enum Kind;
  return kind == page_allocation || kind == out_of_memory || kind == netdev_watchdog;
}

int severity_of(Kind kind) {
  switch (kind) {
    case Kind::panic:
      return 100;
    case Kind::double_fault:
      return 95;
    case Kind::oops:
    case Kind::null_dereference:
    case Kind::gpf:
    case Kind::divide_error:
    case Kind::bug:
    case Kind::stack_overflow:
    case Kind::rust_panic:
      return 90;
    case Kind::list_corruption:
    case Kind::bad_usercopy:
    case Kind::kasan:
    case Kind::kfence:
    case Kind::memory_corruption:
    case Kind::bad_page:
      return 80;
    case Kind::hard_lockup:
      return 75;
    case Kind::soft_lockup:
    case Kind::rcu_stall:
      return 70;
    case Kind::reboot:
    case Kind::kmsan:
    case Kind::workqueue_lockup:
    case Kind::csd_lockup:
    case Kind::spinlock:
      return 60;
    case Kind::hung_task:
      return 50;
    case Kind::atomic_sleep:
      return 45;
    case Kind::ubsan:
    case Kind::preemption:
    case Kind::filesystem:
    case Kind::warning:
    case Kind::refcount:
    case Kind::odebug:
    case Kind::firmware:
      return 40;
    case Kind::kcsan:
    case Kind::memory_leak:
    case Kind::lockdep:
    case Kind::suspicious_rcu:
    case Kind::held_lock:
      return 30;
    case Kind::netdev_unregister:
      return 20;
    case Kind::lockdep_limit:
    case Kind::test_harness:
      return 5;
    case Kind::page_allocation:
    case Kind::out_of_memory:
    case Kind::netdev_watchdog:
      return 4;
    default:
      return 0;
  }
}

}  // namespace ktrial::console
