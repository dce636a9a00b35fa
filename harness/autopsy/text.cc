// The page that a person reads.
#include <fmt/format.h>

#include "harness/autopsy/autopsy.h"

namespace ktrial::autopsy {
namespace {

constexpr std::size_t kMaxFrames = 32, kMaxHeldOff = 24, kLogLines = 12;

std::string stack_text(const std::vector<StackFrame>& stack) {
  std::string out;
  for (std::size_t i = 0; i < stack.size() && i < kMaxFrames; ++i)
    out += fmt::format("    {}{}\n", stack[i].certain ? "  " : "? ", stack[i].text);
  if (stack.size() > kMaxFrames)
    out += fmt::format("      ... {} more\n", stack.size() - kMaxFrames);
  return out;
}

std::string vcpu_text(const VcpuState& vcpu) {
  std::string out = fmt::format("vCPU {}: {}", vcpu.cpu, name(vcpu.what));
  if (!vcpu.waits_in.empty()) out += ", in " + vcpu.waits_in;
  if (!vcpu.function.empty())  // of a waiting one: who called the wait
    out += fmt::format(", {} {}", vcpu.waits_in.empty() ? "in" : "called by", vcpu.function);
  if (!vcpu.task.empty()) out += ", task " + vcpu.task;
  out += fmt::format(" (host: ran {:.2f} s, waited {:.2f} s)\n", vcpu.ran_s, vcpu.waited_s);
  return out + stack_text(vcpu.stack);
}

}  // namespace

std::string to_text(const Autopsy& autopsy) {
  std::string out = fmt::format("Autopsy: {} looks at {} vCPUs in {:.2f} s\n\n", autopsy.looks,
                                autopsy.vcpus.size(), autopsy.seconds);
  if (const auto& culprit = autopsy.culprit)
    out += fmt::format("Culprit: vCPU {} in {}{}{}\n\n", culprit->cpu, culprit->function,
                       culprit->task.empty() ? "" : ", task " + culprit->task,
                       culprit->proven ? "" : " (by the looks of it)");
  else
    out += "No vCPU holds the others up.\n\n";
  for (const VcpuState& vcpu : autopsy.vcpus) out += vcpu_text(vcpu) + "\n";
  if (!autopsy.blocked.empty()) out += "Held-off tasks:\n";
  for (std::size_t i = 0; i < autopsy.blocked.size() && i < kMaxHeldOff; ++i)
    out += fmt::format("  {} ({})\n{}", autopsy.blocked[i].task, autopsy.blocked[i].state,
                       stack_text(autopsy.blocked[i].stack));
  if (autopsy.blocked.size() > kMaxHeldOff)
    out += fmt::format("  ... {} more\n", autopsy.blocked.size() - kMaxHeldOff);
  if (!autopsy.trace.empty()) out += "\nTrace, read from RAM:\n";
  for (const std::string& line : autopsy.trace) out += "  " + line + "\n";
  if (!autopsy.kernel_log.empty()) {
    const std::size_t all = autopsy.kernel_log.size();
    const std::size_t from = all > kLogLines ? all - kLogLines : 0;
    out += fmt::format("\nKernel log, read from RAM (last {} of {} records; all in kernel.log):\n",
                       all - from, all);
    for (std::size_t i = from; i < all; ++i) out += "  " + autopsy.kernel_log[i] + "\n";
  }
  if (!autopsy.notes.empty()) out += "\nNotes:\n";
  for (const std::string& note : autopsy.notes) out += "  " + note + "\n";
  return out;
}

}  // namespace ktrial::autopsy
