// What a finding or a verdict is about: one closed list, with one table of names.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ktrial::results {

// clang-format off: a list reads better than a staircase
// X(name), by where a kind comes from.
// Families of the kernel's own reports; harness/console finds them.
#define KTRIAL_REPORT_KINDS(X)                                                                  \
  X(panic) X(double_fault) X(oops) X(null_dereference) X(gpf) X(divide_error) X(bug)            \
  X(stack_overflow) X(list_corruption) X(bad_usercopy) X(kasan) X(kfence) X(kmsan) X(kcsan)     \
  X(ubsan) X(memory_corruption) X(memory_leak) X(hard_lockup) X(soft_lockup) X(rcu_stall)       \
  X(workqueue_lockup) X(csd_lockup) X(spinlock) X(hung_task) X(atomic_sleep) X(preemption)      \
  X(bad_page) X(filesystem) X(warning) X(refcount) X(odebug) X(lockdep) X(suspicious_rcu)       \
  X(held_lock) X(lockdep_limit) X(netdev_unregister) X(rust_panic) X(firmware) X(test_harness) \
  X(reboot)
// Notes: the kernel may well be right to say so (console::is_note).
#define KTRIAL_NOTE_KINDS(X) X(page_allocation) X(out_of_memory) X(netdev_watchdog)
// What a trial fails of without a report (harness/verdict): CPUs that stopped beating; a
// workload that stands still while they beat; a guest that reset itself; a report that was
// counted and never shown; what the workload's exit or its own tests say.
#define KTRIAL_FAILURE_KINDS(X)                                                                 \
  X(silent_stall) X(workload_stall) X(reset) X(lost_report) X(workload) X(subtest)              \
  X(subtest_missing)
// Why a trial was not judged.
#define KTRIAL_UNJUDGED_KINDS(X)                                                                \
  X(interrupted) X(host_starved) X(emulator) X(setup) X(no_boot) X(deadline)                    \
  X(workload_not_started) X(workload_unfit) X(workload_slow) X(guest_shutdown) X(vm_stopped)    \
  X(vm_died) X(channel_lost) X(protocol) X(console)
// All of them.
#define KTRIAL_KINDS(X)                                                                         \
  KTRIAL_REPORT_KINDS(X) KTRIAL_NOTE_KINDS(X) KTRIAL_FAILURE_KINDS(X) KTRIAL_UNJUDGED_KINDS(X)
// clang-format on

// Closed. Who adds a kind adds it above, and says in harness/console/kinds.cc how bad a report of
// it is.
// What a record of another ktrial names beside these: RecordedKind.
enum class Kind : std::uint8_t {
  none,  // nothing to tell: a pass
#define KTRIAL_ENUMERATOR(name) name,
  KTRIAL_KINDS(KTRIAL_ENUMERATOR)
#undef KTRIAL_ENUMERATOR
      foreign,  // in a record of another ktrial: a name that is not in this list
};

// The enumerator's own name, e.g. "rcu_stall"; `none` has none.
std::string_view name(Kind kind);
// Nothing: no kind of this list has that name.
std::optional<Kind> kind_named(std::string_view name);

// A kind as a record holds it. What an older or newer ktrial called by a name that is unknown
// here keeps that name, and is written back as it was read.
class RecordedKind {
 public:
  RecordedKind(Kind kind = Kind::none) : kind_(kind) {}
  static RecordedKind parse(std::string_view name);

  operator Kind() const { return kind_; }
  std::string_view name() const { return kind_ == Kind::foreign ? foreign_ : results::name(kind_); }
  bool empty() const { return kind_ == Kind::none; }
  bool operator==(const RecordedKind&) const = default;
  bool operator==(Kind kind) const { return kind_ == kind; }

 private:
  Kind kind_;
  std::string foreign_;  // its name, of Kind::foreign only
};

}  // namespace ktrial::results
