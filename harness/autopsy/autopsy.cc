#include "harness/autopsy/autopsy.h"

#include <algorithm>
#include <span>

#include "harness/console/skip_list.h"

namespace ktrial::autopsy {

const char* name(VcpuClass what) {
  switch (what) {
    case VcpuClass::spinning_irqs_off:
      return "spinning with interrupts off";
    case VcpuClass::spinning:
      return "spinning";
    case VcpuClass::waiting:
      return "waiting for another CPU";
    case VcpuClass::kernel:
      return "in the kernel, moving";
    case VcpuClass::idle:
      return "idle";
    case VcpuClass::user:
      return "user mode";
    case VcpuClass::starved:
      return "not run by the host";
    case VcpuClass::unknown:
      return "unknown";
  }
  std::abort();
}

VcpuClass class_named(std::string_view text) {
  for (int one = 0; one < static_cast<int>(VcpuClass::unknown); ++one)
    if (text == name(static_cast<VcpuClass>(one))) return static_cast<VcpuClass>(one);
  return VcpuClass::unknown;
}

namespace {

// Below this share of the time that it wanted, a vCPU was not really run.
constexpr double kStarvedShare = 0.02;

std::vector<console::Frame> to_frames(std::span<const StackFrame> stack) {
  std::vector<console::Frame> out;
  for (const StackFrame& frame : stack)
    out.push_back({.symbol = console::source_name(frame.function), .uncertain = !frame.certain});
  return out;
}

// Innermost here, a CPU polls for what another one must do, e.g. leave its run queue.
bool polls_for_others(const std::string& function) {
  return function == "try_to_wake_up" || function == "wait_task_inactive" ||
         function == "ttwu_queue_wakelist";
}

// What the timer interrupt struck; all of the stack if it did not.
std::span<const StackFrame> below_tick(const std::vector<StackFrame>& stack) {
  const auto entry = std::ranges::find_if(stack, [](const StackFrame& frame) {
    return frame.certain && frame.function == "asm_sysvec_apic_timer_interrupt";
  });
  return entry == stack.end() ? std::span(stack) : std::span(entry + 1, stack.end());
}

console::Sight sight_of(std::span<const StackFrame> stack) {
  auto frames = to_frames(stack);
  console::Sight sight = console::sight_of(frames);
  if (!frames.empty() && sight.waits_in.empty() && polls_for_others(frames.front().symbol)) {
    sight.waits_in = frames.front().symbol;
    sight.function = console::sight_of(std::span(frames).subspan(1)).function;
  }
  return sight;
}

bool is_idle(const Look& look, const console::Sight& sight) {
  return look.registers.halted || (sight.idle && look.registers.interrupts_enabled);
}

// What all looks show: one function, or none.
struct Steady {
  std::string function;  // empty: they differ
  std::vector<console::Sight> sights;
};

template <class StackOf>
Steady steady(const std::vector<Look>& looks, StackOf stack_of) {
  Steady out;
  bool same = true;
  for (const Look& look : looks) {
    const std::span<const StackFrame> stack = stack_of(look.stack);
    out.sights.push_back(sight_of(stack));
    std::string function = out.sights.back().function;
    // All infrastructure: the innermost frame must do.
    if (function.empty() && !stack.empty()) function = stack.front().function;
    same = same && !function.empty() && !look.registers.user_mode && !look.registers.halted &&
           (out.sights.size() == 1 || function == out.function);
    out.function = function;
  }
  if (!same) out.function.clear();
  return out;
}

// A loop is met in itself or in the ticks that strike it; a hang within the tick
// shows the same function of the tick at every look.
Steady steady(const std::vector<Look>& looks) {
  Steady whole = steady(looks, [](const auto& stack) { return std::span(stack); });
  return whole.function.empty() ? steady(looks, below_tick) : whole;
}

// Without stacks: one address at every look.
bool steady_address(const std::vector<Look>& looks) {
  return std::ranges::all_of(looks, [&](const Look& look) {
    return look.stack.empty() && !look.registers.user_mode && !look.registers.halted &&
           look.registers.ip == looks.front().registers.ip;
  });
}

}  // namespace

VcpuState classify(const std::vector<Look>& looks, const std::optional<VcpuUse>& use) {
  VcpuState state;
  if (use) {
    state.cpu = use->cpu;
    state.ran_s = use->ran_s;
    state.waited_s = use->waited_s;
  }
  if (looks.empty()) return state;
  const Look& last = looks.back();
  const Steady seen = steady(looks);
  const console::Sight& sight = seen.sights.back();
  state.cpu = last.registers.cpu;
  state.stack = last.stack;
  state.function = !seen.function.empty() ? seen.function : sight.function;
  state.inside_schedule = sight.inside_schedule;
  state.one_instruction = looks.size() > 1 && std::ranges::all_of(looks, [&](const Look& look) {
                            return look.registers.ip == last.registers.ip;
                          });
  state.was_halted =
      std::ranges::any_of(looks, [](const Look& look) { return look.registers.halted; });
  state.interrupts_off = std::ranges::none_of(
      looks, [](const Look& look) { return look.registers.interrupts_enabled; });

  if (use && use->waited_s > 0.1 && use->ran_s < kStarvedShare * use->waited_s)
    state.what = VcpuClass::starved;
  else if (last.registers.user_mode)
    state.what = VcpuClass::user;
  else if (is_idle(last, sight))
    state.what = VcpuClass::idle;
  else if (!sight.waits_in.empty())
    state.what = VcpuClass::waiting;
  else if (looks.size() < 2 || (seen.function.empty() && !steady_address(looks)))
    state.what = VcpuClass::kernel;
  else
    state.what = state.interrupts_off ? VcpuClass::spinning_irqs_off : VcpuClass::spinning;
  if (state.what == VcpuClass::waiting) {
    state.waits_in = sight.waits_in;
    state.function = sight.function;  // who called the wait; a short stack does not tell
  }
  return state;
}

namespace {

int rank(const VcpuState& vcpu) {
  if (vcpu.function.empty()) return 0;
  switch (vcpu.what) {
    case VcpuClass::spinning_irqs_off:
      return vcpu.inside_schedule ? 5 : 4;
    case VcpuClass::spinning:
      return 3;
    case VcpuClass::waiting:
      return 1;
    default:
      return 0;
  }
}

}  // namespace

std::optional<Culprit> find_culprit(const std::vector<VcpuState>& vcpus, double proof_s) {
  const VcpuState* worst = nullptr;
  bool others_innocent = true;
  for (const VcpuState& vcpu : vcpus) {
    if (rank(vcpu) > (worst ? rank(*worst) : 0)) worst = &vcpu;
    // One that moves, or that the host holds back, may be the one that is waited for.
    const bool moves = vcpu.what == VcpuClass::kernel && !vcpu.was_halted;
    if (moves || vcpu.what == VcpuClass::starved || vcpu.what == VcpuClass::unknown)
      others_innocent = false;
  }
  if (worst == nullptr) return std::nullopt;
  const bool waits = worst->what == VcpuClass::waiting;
  if (waits && !others_innocent) return std::nullopt;
  return Culprit{worst->cpu, worst->function, worst->task, !waits && worst->ran_s >= proof_s};
}

}  // namespace ktrial::autopsy
