#include "harness/console/kind.h"

#include <cstdlib>

namespace ktrial::console {

std::string_view kind_name(Kind kind) {
  switch (kind) {
    case Kind::panic: return "panic";
    case Kind::double_fault: return "double_fault";
    case Kind::oops: return "oops";
    case Kind::bug: return "bug";
    case Kind::gpf: return "gpf";
    case Kind::divide_error: return "divide_error";
    case Kind::page_fault: return "page_fault";
    case Kind::list_corruption: return "list_corruption";
    case Kind::usercopy: return "usercopy";
    case Kind::kasan: return "kasan";
    case Kind::kmsan: return "kmsan";
    case Kind::kcsan: return "kcsan";
    case Kind::kfence: return "kfence";
    case Kind::ubsan: return "ubsan";
    case Kind::memory_leak: return "memory_leak";
    case Kind::bad_page: return "bad_page";
    case Kind::hard_lockup: return "hard_lockup";
    case Kind::soft_lockup: return "soft_lockup";
    case Kind::rcu_stall: return "rcu_stall";
    case Kind::workqueue_lockup: return "workqueue_lockup";
    case Kind::hung_task: return "hung_task";
    case Kind::atomic_sleep: return "atomic_sleep";
    case Kind::spinlock: return "spinlock";
    case Kind::lockdep: return "lockdep";
    case Kind::rcu_usage: return "rcu_usage";
    case Kind::warning: return "warning";
    case Kind::refcount: return "refcount";
    case Kind::other: return "other";
  }
  std::abort();
}

int severity(Kind kind) {
  switch (kind) {
    case Kind::panic:
    case Kind::double_fault: return 100;
    case Kind::oops:
    case Kind::bug:
    case Kind::gpf:
    case Kind::divide_error:
    case Kind::page_fault: return 90;
    case Kind::list_corruption:
    case Kind::usercopy:
    case Kind::kasan:
    case Kind::kmsan:
    case Kind::kfence:
    case Kind::bad_page: return 80;
    case Kind::hard_lockup: return 70;
    case Kind::soft_lockup:
    case Kind::rcu_stall: return 60;
    case Kind::workqueue_lockup: return 50;
    case Kind::hung_task: return 40;
    case Kind::atomic_sleep:
    case Kind::spinlock:
    case Kind::warning:
    case Kind::refcount:
    case Kind::ubsan:
    case Kind::kcsan: return 30;
    case Kind::lockdep:
    case Kind::rcu_usage: return 20;
    case Kind::memory_leak:
    case Kind::other: return 10;
  }
  std::abort();
}

}  // namespace ktrial::console
