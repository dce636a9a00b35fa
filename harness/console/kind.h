// What a kernel can report, as kinds.
#pragma once

#include <string_view>

namespace ktrial::console {

enum class Kind {
  panic, double_fault, oops, bug, gpf, divide_error, page_fault, list_corruption, usercopy,
  kasan, kmsan, kcsan, kfence, ubsan, memory_leak, bad_page,
  hard_lockup, soft_lockup, rcu_stall, workqueue_lockup, hung_task,
  atomic_sleep, spinlock, lockdep, rcu_usage, warning, refcount, other
};

// "soft_lockup", "rcu_stall", ...: stable, used in records and signatures.
std::string_view kind_name(Kind kind);
// 100 (panic) down to 10.
int severity(Kind kind);

}  // namespace ktrial::console
