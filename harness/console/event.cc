#include "harness/console/event.h"

#include <utility>

#include "harness/base/re2.h"

namespace ktrial::console {
namespace {

using enum Kind;

// A trap, or what BUG() or the trap's handler says about it.
bool is_fault(Kind kind) {
  switch (kind) {
    case oops:
    case null_dereference:
    case gpf:
    case divide_error:
    case bug:
    case double_fault:
    case stack_overflow:
    case rust_panic:
      return true;
    default:
      return false;
  }
}
// What ends in BUG() or WARN(): those print their own line after it.
bool is_said_before(Kind kind) {
  switch (kind) {
    case bug:
    case rust_panic:
    case list_corruption:
    case bad_usercopy:
    case memory_corruption:
    case bad_page:
    case spinlock:
    case filesystem:
      return true;
    default:
      return false;
  }
}

// The panic's own reason names what it is a consequence of.
bool is_consequence(std::string_view reason, Kind of) {
  static const RE2 any("panic_on_(?:warn|taint)|\\.panic(?: set|=)|panic_on_stackoverflow");
  static const RE2 trap(
      "^(?:Fatal exception|Oops|Aiee, killing interrupt handler|Attempted to kill |Machine halted|"
      "Unhandled |Unrecoverable |Asynchronous SError|BUG!?$|kernel stack overflow)");
  if (partial_match(reason, any)) return true;
  const auto says = [reason](std::string_view words) { return reason.find(words) != reason.npos; };
  switch (of) {
    case hung_task:
      return says("hung_task");
    case soft_lockup:
      return says("softlockup");
    case hard_lockup:
      return says("LOCKUP") || says("ardlockup") || says("ard lockup");
    case rcu_stall:
      return says("RCU Stall") || says("RCU stall");
    case workqueue_lockup:
      return says("workqueue");
    default:
      return (is_fault(of) || is_said_before(of)) && partial_match(reason, trap);
  }
}

std::string_view panic_reason(std::string_view body) {
  static constexpr std::string_view kStart = "Kernel panic - not syncing: ";
  const auto at = body.find(kStart);
  return at == body.npos ? std::string_view() : body.substr(at + kStart.size());
}

bool is_stall(Kind kind) {
  return kind == hung_task || kind == soft_lockup || kind == hard_lockup || kind == rcu_stall ||
         kind == workqueue_lockup || kind == csd_lockup;
}

bool same_if_known(std::optional<int> a, std::optional<int> b) { return !a || !b || a == b; }
bool same_if_known(const std::string& a, const std::string& b) {
  return a.empty() || b.empty() || a == b;
}

}  // namespace

bool is_part_of(const Report& open, const Head& head, const Line& line) {
  constexpr std::uint64_t kFewLines = 3, kDump = 12;
  const Kind kind = open.rule().kind;
  const bool at_once = open.lines_seen() < kFewLines;
  // A panicking CPU prints over the others' lines, and under its own name.
  if (head.rule->role == Role::panic) {
    const std::string_view reason = panic_reason(line.body);
    if (is_consequence(reason, kind)) return true;
    if (reason.size() > 8 && open.head_line().find(reason) != std::string::npos) return true;
  }
  if (!open.same_writer(line)) return false;
  switch (head.rule->role) {
    case Role::panic:
      if (!open.traced() && open.lines_seen() < kDump && !is_stall(kind)) return true;
      break;
    case Role::die:
      if (open.oops_number() >= 0 && head.oops_number >= 0)
        return open.oops_number() == head.oops_number;
      if (!open.traced() && (is_fault(kind) || is_said_before(kind))) return true;
      break;
    case Role::bug:
      if (!open.traced() && is_said_before(kind)) return true;
      break;
    case Role::warn:
      if (!open.traced() && at_once && is_said_before(kind)) return true;
      break;
    case Role::other:
      if (kind == test_harness && head.rule->kind == kind) return true;  // one stack a thread
      if (!open.traced() && at_once && open.rule().role != Role::warn) return true;
      break;
    case Role::start:
      break;
  }
  if (head.rule->kind != kind || open.traced()) return false;
  const bool same_place =
      same_if_known(open.head_cpu(), head.cpu) && same_if_known(open.head_task(), head.task);
  // Of a hard lockup the watcher tells first, then perhaps the victim.
  return same_place && (at_once || (kind == hard_lockup && head.cpu && open.head_cpu()));
}

bool is_brief(const Rule& rule) {
  return rule.pick == Pick::none &&
         (is_note(rule.kind) || rule.kind == netdev_unregister || rule.kind == memory_leak);
}

Boots::Seen Boots::read(const Line& line) {
  if (!line.kernel) {
    loader_ = loader_ || line.body.find("ooting the kernel") != line.body.npos ||
              line.body.starts_with("early console in ");
    return Seen::nothing;
  }
  if (!line.body.starts_with("Linux version ")) {
    ended_ = ended_ || line.body.starts_with("reboot: ") ||
             line.body.starts_with("Kernel panic - not syncing");
    kernel_ = true;
    return Seen::nothing;
  }
  const bool unexpected = std::exchange(kernel_, true) && !ended_ && loader_;
  ended_ = loader_ = false;
  return unexpected ? Seen::unexpected_reboot : Seen::boot;
}

}  // namespace ktrial::console
