#include "harness/console/kinds.h"

#include <array>
#include <cstddef>

namespace ktrial::console {
namespace {

struct KindFacts {
  std::string_view name;
  int severity;
  bool note = false;
};

constexpr std::array kFacts = std::to_array<KindFacts>({
    {"panic", 100},
    {"double_fault", 95},
    {"oops", 90},
    {"null_dereference", 90},
    {"gpf", 90},
    {"divide_error", 90},
    {"bug", 90},
    {"stack_overflow", 90},
    {"list_corruption", 80},
    {"bad_usercopy", 80},
    {"kasan", 80},
    {"kfence", 80},
    {"kmsan", 60},
    {"kcsan", 30},
    {"ubsan", 40},
    {"memory_corruption", 80},
    {"memory_leak", 30},
    {"hard_lockup", 75},
    {"soft_lockup", 70},
    {"rcu_stall", 70},
    {"workqueue_lockup", 60},
    {"csd_lockup", 60},
    {"spinlock", 60},
    {"hung_task", 50},
    {"atomic_sleep", 45},
    {"preemption", 40},
    {"bad_page", 80},
    {"filesystem", 40},
    {"warning", 40},
    {"refcount", 40},
    {"odebug", 40},
    {"lockdep", 30},
    {"suspicious_rcu", 30},
    {"held_lock", 30},
    {"lockdep_limit", 5},
    {"netdev_unregister", 20},
    {"rust_panic", 90},
    {"firmware", 40},
    {"test_harness", 5},
    {"page_allocation", 4, true},
    {"out_of_memory", 4, true},
    {"netdev_watchdog", 4, true},
    {"reboot", 60},
});
static_assert(kFacts.size() == static_cast<std::size_t>(Kind::reboot) + 1);

}  // namespace

std::string_view kind_name(Kind kind) { return kFacts[static_cast<std::size_t>(kind)].name; }
std::optional<Kind> kind_named(std::string_view name) {
  for (std::size_t i = 0; i < kFacts.size(); ++i)
    if (kFacts[i].name == name) return static_cast<Kind>(i);
  return std::nullopt;
}
bool is_note(Kind kind) { return kFacts[static_cast<std::size_t>(kind)].note; }
int severity_of(Kind kind) { return kFacts[static_cast<std::size_t>(kind)].severity; }

}  // namespace ktrial::console
