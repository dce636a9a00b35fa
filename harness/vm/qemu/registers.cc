#include "harness/vm/qemu/registers.h"

#include <charconv>
#include <optional>

namespace ktrial::vm {
namespace {

// The number after `key` in `text`, e.g. field("... RIP=ffff8000 ...", "RIP=", 16).
std::optional<std::uint64_t> field(std::string_view text, std::string_view key, int base) {
  auto at = text.find(key);
  if (at == text.npos) return std::nullopt;
  text.remove_prefix(at + key.size());
  std::uint64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end == text.data()) return std::nullopt;
  return value;
}

}  // namespace

std::vector<VcpuSample> parse_registers(std::string_view text) {
  constexpr std::uint64_t kInterruptFlag = 0x200;  // RFLAGS bit 9
  std::vector<VcpuSample> samples;
  for (auto at = text.find("CPU#"); at != text.npos;) {
    auto next = text.find("CPU#", at + 4);
    std::string_view block = text.substr(at, next == text.npos ? next : next - at);
    at = next;
    auto cpu = field(block, "CPU#", 10);
    auto rip = field(block, "RIP=", 16);
    if (!rip) rip = field(block, "EIP=", 16);
    auto flags = field(block, "RFL=", 16);
    if (!flags) flags = field(block, "EFL=", 16);
    if (!cpu || !rip || !flags) continue;
    samples.push_back({.cpu = static_cast<unsigned>(*cpu),
                       .rip = *rip,
                       .rsp = field(block, "RSP=", 16).value_or(0),
                       .rbp = field(block, "RBP=", 16).value_or(0),
                       .interrupts_enabled = (*flags & kInterruptFlag) != 0,
                       .user_mode = field(block, "CPL=", 10).value_or(0) == 3,
                       .halted = field(block, "HLT=", 10).value_or(0) != 0});
  }
  return samples;
}

}  // namespace ktrial::vm
