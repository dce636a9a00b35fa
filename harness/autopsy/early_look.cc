#include "harness/autopsy/early_look.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace ktrial::autopsy {
namespace {

constexpr std::size_t kMost = 256;

// Slow by nature, with interrupts off: it ends by itself.
bool is_slow_by_nature(const StackFrame& frame) {
  static constexpr std::array<std::string_view, 8> kParts = {
      "delay", "console", "serial", "printk", "stop_machine", "multi_cpu_stop", "panic", "kexec"};
  return std::ranges::any_of(kParts, [&](std::string_view part) {
    return frame.function.find(part) != std::string::npos;
  });
}

bool may_be_stuck(const Look& look) {
  return !look.registers.interrupts_enabled && !look.registers.user_mode &&
         !look.registers.halted && !look.stack.empty() &&
         std::ranges::none_of(look.stack, is_slow_by_nature);
}

}  // namespace

bool EarlyLook::add(
    Clock::time_point now, std::map<unsigned, Look> seen,
    const std::map<unsigned, Clock::time_point>& last_beat,
    const std::function<std::optional<VcpuUse>(unsigned, Clock::time_point)>& used) {
  seen_.push_back({now, std::move(seen)});
  if (seen_.size() > kMost) seen_.erase(seen_.begin());
  for (const auto& [cpu, look] : seen_.back().looks)
    if (is_proven(cpu, last_beat, used)) proven_ = cpu;
  return proven_.has_value();
}

// The longest run of looks, up to the last one, that are alike; then the rule.
bool EarlyLook::is_proven(
    unsigned cpu, const std::map<unsigned, Clock::time_point>& last_beat,
    const std::function<std::optional<VcpuUse>(unsigned, Clock::time_point)>& used) {
  const auto beat = last_beat.find(cpu);
  if (beat == last_beat.end()) return false;  // it never beat: nothing is known of it
  std::vector<Look> run;
  std::size_t begin = seen_.size();
  while (begin > 0) {
    const Seen& one = seen_[begin - 1];
    const auto look = one.looks.find(cpu);
    if (one.at <= beat->second || look == one.looks.end() || !may_be_stuck(look->second)) break;
    run.insert(run.begin(), look->second);
    if (run.size() > 1 && classify(run, std::nullopt).what != VcpuClass::spinning_irqs_off) {
      run.erase(run.begin());
      break;
    }
    --begin;
  }
  if (std::ssize(run) < limits_.looks) return false;
  const Clock::time_point from = seen_[begin].at;
  if (seen_.back().at - from < limits_.span) return false;
  const auto use = used(cpu, from);
  if (!use || use->ran_s < std::chrono::duration<double>(limits_.own).count()) return false;
  const VcpuState state = classify(run, use);
  if (state.what != VcpuClass::spinning_irqs_off || state.function.empty()) return false;
  begin_ = begin;
  return true;
}

LooksSoFar EarlyLook::evidence() const {
  LooksSoFar out;
  if (!proven_) return out;
  out.first = seen_[begin_].at;
  for (std::size_t i = begin_; i < seen_.size(); ++i)
    for (const auto& [cpu, look] : seen_[i].looks) out.of[cpu].push_back(look);
  return out;
}

std::optional<std::map<unsigned, Look>> look_once(vm::Vm& vm, Inspector* inspector,
                                                  std::chrono::milliseconds patience) {
  if (!vm.pause(patience)) return std::nullopt;
  std::optional<std::map<unsigned, Look>> out;
  if (auto samples = vm.sample_vcpus(patience)) {
    out.emplace();
    for (const vm::VcpuSample& vcpu : *samples) {
      Look look{.registers = vcpu, .stack = {}};
      if (inspector != nullptr && !vcpu.user_mode) look.stack = inspector->stack(vcpu);
      out->emplace(vcpu.cpu, std::move(look));
    }
  }
  if (!vm.resume(patience)) return std::nullopt;
  return out;
}

}  // namespace ktrial::autopsy
