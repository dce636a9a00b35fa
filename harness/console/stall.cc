// Which function a report is about.
#include <algorithm>
#include <span>

#include "harness/console/report.h"
#include "harness/console/sight.h"
#include "harness/console/skip_list.h"

namespace ktrial::console {
namespace {

bool is_unwound(std::span<const Frame> frames) {
  return std::ranges::any_of(
      frames, [](const Frame& frame) { return !frame.uncertain && !frame.symbol.empty(); });
}

// The first frame that is no infrastructure. What the stack holds by chance is looked at only
// where the kernel could not unwind at all.
std::string first_of(std::span<const Frame> frames, Skip skip) {
  const bool unwound = is_unwound(frames);
  for (const Frame& frame : frames)
    if (!frame.symbol.empty() && frame.uncertain != unwound && !skipped(frame.symbol, skip))
      return frame.symbol;
  return {};
}

const Stack* first_stack(const std::vector<Stack>& stacks) {
  for (const Stack& stack : stacks)
    if ((stack.role == StackRole::main || stack.role == StackRole::nmi) && !stack.frames.empty())
      return &stack;
  return nullptr;
}

std::string from_stacks(const std::vector<Stack>& stacks, Skip skip) {
  for (const StackRole role : {StackRole::main, StackRole::orphan})
    for (const Stack& stack : stacks)
      if (stack.role == role)
        if (std::string symbol = first_of(stack.frames, skip); !symbol.empty()) return symbol;
  return {};
}

// The interrupted code in a stack that a timer interrupt printed of its own CPU: below the tick,
// but for the registers, which are those of the interrupted function wherever they are printed.
std::vector<Frame> interrupted(const Stack& stack) {
  const auto tick =
      std::ranges::find_if(stack.frames, [](const Frame& frame) { return is_tick(frame.symbol); });
  if (tick == stack.frames.end()) return stack.frames;
  std::vector<Frame> below;
  for (auto frame = stack.frames.begin(); frame != tick; ++frame)
    if (frame->pointer && !frame->symbol.empty() && !skipped(frame->symbol, Skip::report))
      below.push_back(*frame);
  below.insert(below.end(), tick + 1, stack.frames.end());
  return below;
}

// The function that the innermost dispatcher calls; certain frames only.
std::string entry_of(std::span<const Frame> frames) {
  const Frame* inner = nullptr;
  for (const Frame& frame : frames) {
    if (frame.uncertain || frame.symbol.empty()) continue;
    if (frame.symbol.starts_with("smp_call_function")) return frame.symbol;
    const bool dispatches =
        is_dispatcher(frame.symbol) || (frame.syscall && is_multiplexer(frame.symbol));
    if (dispatches && inner != nullptr && !is_dispatcher(inner->symbol) &&
        !skipped(inner->symbol, Skip::stall))
      return inner->symbol;
    inner = &frame;
  }
  return inner != nullptr && inner->syscall && !is_multiplexer(inner->symbol) ? inner->symbol
                                                                              : std::string();
}

// What the title of a stall is looked for in. A grace period waits for the task, whatever
// interrupts it: of an RCU stall that is below the first interrupt in the stack.
std::vector<Frame> title_frames(Kind kind, const Stack& stack) {
  const auto enters = [](const Frame& frame) {
    return !frame.uncertain && is_interrupt_entry(frame.symbol);
  };
  const auto entry = std::ranges::find_if(stack.frames, enters);
  if (kind != Kind::rcu_stall || entry == stack.frames.end()) return interrupted(stack);
  return {std::find_if_not(entry, stack.frames.end(), enters), stack.frames.end()};
}

// The stack of a task that was switched out; it says nothing about what a CPU does.
bool switched_out(const Stack& stack) {
  for (const Frame& frame : stack.frames)
    if (!frame.uncertain && !frame.symbol.empty())
      return frame.symbol == "__schedule" || frame.symbol == "schedule" ||
             frame.symbol == "__switch_to" || frame.symbol == "context_switch";
  return false;
}

// Better than nothing: where a report is cut, infrastructure may be all that it names.
std::string only_pointer(const std::vector<Stack>& stacks) {
  for (const Stack& stack : stacks)
    for (const Frame& frame : stack.frames)
      if (stack.role == StackRole::main && frame.pointer && !frame.symbol.empty())
        return frame.symbol;
  return {};
}

bool is_address(const std::string& text) {
  return text.find_first_not_of("0123456789abcdefx") == text.npos && text.size() >= 8;
}

// Families of functions that are one place for the reader.
std::string family(std::string symbol) {
  for (std::string_view name : {"smp_call_function", "synchronize_rcu"})
    if (symbol.starts_with(name)) return std::string(name);
  if (symbol.starts_with("synchronize_sched")) return "synchronize_rcu";
  return symbol;
}

bool is_running(const Stack& stack) {
  return (stack.role == StackRole::main || stack.role == StackRole::nmi) && !switched_out(stack);
}

// Of a hard lockup only the stuck CPU can tell: where its stack is missing, nobody was seen.
bool is_witness(Kind kind, std::optional<int> head_cpu, const Stack& stack) {
  return kind != Kind::hard_lockup || !head_cpu || !stack.cpu || stack.cpu == head_cpu;
}

std::string from_stall(Kind kind, std::optional<int> head_cpu, const std::vector<Stack>& stacks) {
  for (const Stack& stack : stacks)
    if (is_running(stack) && is_witness(kind, head_cpu, stack))
      if (std::string symbol = entry_of(title_frames(kind, stack)); !symbol.empty())
        return family(symbol);
  for (const Stack& stack : stacks)
    if (is_running(stack) && is_witness(kind, head_cpu, stack))
      if (std::string symbol = first_of(title_frames(kind, stack), Skip::stall); !symbol.empty())
        return symbol;
  return {};
}

}  // namespace

std::string title_function(const Rule& rule, const std::string& from_head,
                           std::optional<int> head_cpu, const std::vector<Stack>& stacks,
                           const std::vector<std::string>& lock_sites) {
  switch (rule.pick) {
    case Pick::none:
      return {};
    case Pick::head:
      if (!from_head.empty() && !skipped(from_head, Skip::report) && !is_address(from_head))
        return is_address(from_head) ? std::string() : from_head;
      if (std::string symbol = from_stacks(stacks, Skip::report); !symbol.empty()) return symbol;
      return from_head;
    case Pick::pointer:
      for (const Stack& stack : stacks)
        if (stack.role == StackRole::main)
          for (const Frame& frame : stack.frames)
            if (frame.pointer && !frame.symbol.empty()) {
              if (!skipped(frame.symbol, Skip::report)) return frame.symbol;
              if (std::string symbol = first_of(stack.frames, Skip::report); !symbol.empty())
                return symbol;
            }
      if (std::string symbol = from_stacks(stacks, Skip::report); !symbol.empty()) return symbol;
      return only_pointer(stacks);
    case Pick::stack:
      if (const Stack* first = first_stack(stacks); first != nullptr &&
                                                    !is_unwound(first->frames) &&
                                                    !from_head.empty() && !is_address(from_head))
        return from_head;
      if (std::string symbol = from_stacks(stacks, Skip::report); !symbol.empty()) return symbol;
      if (!from_head.empty()) return is_address(from_head) ? std::string() : from_head;
      return from_stacks(stacks, Skip::trapped);
    case Pick::lock:
      for (const std::string& site : lock_sites)
        if (!skipped(site, Skip::report)) return site;
      return from_stacks(stacks, Skip::report);
    case Pick::leak:
      return from_stacks(stacks, Skip::leak);
    case Pick::hung:
      return family(from_stacks(stacks, Skip::hung));
    case Pick::stall:
      return from_stall(rule.kind, head_cpu, stacks);
  }
  return {};
}

namespace {

bool user_only(const Stack& stack) {
  for (const Frame& frame : stack.frames)
    if (!frame.user) return false;
  return true;
}

bool hit_by_nmi(const Stack& stack) {
  for (const Frame& frame : stack.frames)
    if (frame.symbol.find("nmi") != std::string::npos) return true;
  return false;
}

// Whether the CPU that panics does so because of an NMI, wherever it was.
bool hit_by_nmi_itself(const Stack& stack) {
  return stack.role == StackRole::main && hit_by_nmi(stack);
}

// The caller of panic(); nobody where a process's end is what is wrong.
std::string who_panics(const std::vector<Stack>& stacks) {
  std::string symbol = from_stacks(stacks, Skip::report);
  return symbol == "do_exit" || symbol == "do_group_exit" ? std::string() : symbol;
}

// `complains`: this CPU's own detector has spoken.
int rank(Kind kind, const Sight& sight, bool complains) {
  if (sight.function.empty()) return 0;
  if (!sight.waits_in.empty()) return 0;  // a victim, whatever else its stack shows
  // It has been where it is for seconds; that another is inside the scheduler is one look's luck.
  if (kind == Kind::soft_lockup && complains && !sight.idle) return 6;
  if (sight.inside_schedule) return 5;
  if (sight.idle) return 0;
  return complains ? 4 : 3;
}

// path_init() and the iterators' begins; the lock's own wrappers.
bool locks_for_callers(std::string_view symbol) {
  return symbol == "path_init" || symbol.ends_with("_start") || symbol.ends_with("_begin") ||
         symbol.find("lock") != symbol.npos || symbol.find("rcu_constructor") != symbol.npos ||
         skipped(symbol, Skip::report);
}

}  // namespace

std::string who_left_locked(const std::vector<std::string>& rcu_sites,
                            const std::vector<Stack>& stacks) {
  const Stack* stack = first_stack(stacks);
  if (stack == nullptr) return {};
  // A leftover ("?") of the site is what a function that returned leaves. An unwinder that only
  // guesses marks all frames so, and then tells nothing.
  const auto& frames = stack->frames;
  const bool guessed = std::ranges::all_of(frames, &Frame::uncertain);
  for (const std::string& site : rcu_sites)
    if (!locks_for_callers(site) && std::ranges::none_of(frames, [&](const Frame& frame) {
          return frame.symbol == site && (guessed || !frame.uncertain);
        }))
      return site;
  return {};
}

Culprit find_culprit(Kind kind, const std::string& function, std::optional<int> head_cpu,
                     const std::vector<Stack>& stacks) {
  Culprit out;
  const bool stall = kind == Kind::soft_lockup || kind == Kind::hard_lockup ||
                     kind == Kind::rcu_stall || kind == Kind::workqueue_lockup ||
                     kind == Kind::csd_lockup;
  // A panic that an NMI provoked, to see what every CPU does.
  const bool sampled = std::ranges::count(stacks, StackRole::nmi, &Stack::role) > 0;
  const bool provoked =
      kind == Kind::panic && sampled && std::ranges::any_of(stacks, hit_by_nmi_itself);
  if (!stall && !provoked) {
    out.function = kind == Kind::panic && function.empty() ? who_panics(stacks) : function;
    // The title names the function that sleeps; to blame is who called it where it must not.
    if (kind == Kind::atomic_sleep)
      if (std::string caller = from_stacks(stacks, Skip::hung); !caller.empty())
        out.function = caller;
    if (const Stack* first = first_stack(stacks)) {
      out.cpu = first->cpu;
      out.task = first->task;
    }
    return out;
  }
  // Nobody saw a CPU that answers nobody; the others' stacks are those of bystanders.
  const bool seen =
      kind != Kind::hard_lockup || !head_cpu ||
      std::ranges::any_of(stacks, [&](const Stack& stack) {
        return !stack.frames.empty() && is_running(stack) && is_witness(kind, head_cpu, stack);
      });
  int best = 0;
  for (const Stack& stack : stacks) {
    if (!seen || !is_running(stack)) continue;
    // The panicking CPU tells something only when an NMI made it panic wherever it was.
    if (kind == Kind::panic && stack.role != StackRole::nmi && !hit_by_nmi(stack)) continue;
    if (stack.idle || user_only(stack)) continue;
    const Sight sight = sight_of(interrupted(stack));
    const int rank_here = rank(kind, sight, head_cpu && stack.cpu == head_cpu);
    if (rank_here <= best) continue;
    best = rank_here;
    out = {sight.function, stack.cpu, stack.task};
  }
  return out;
}

}  // namespace ktrial::console
