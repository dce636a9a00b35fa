#include "harness/vm/qemu/registers.h"

#include <charconv>
#include <optional>

namespace ktrial::vm {
namespace {

// The number after `key` in `text`, e.g. field("... IP=ffff8000 ...", "IP=", 16).
std::optional<std::uint64_t> field(std::string_view text, std::string_view key, int base) {
  auto at = text.find(key);
  if (at == text.npos) return std::nullopt;
  text.remove_prefix(at + key.size());
  std::uint64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end == text.data()) return std::nullopt;
  return value;
}

std::optional<std::uint64_t> first_of(std::string_view text, const std::vector<std::string>& keys) {
  for (const std::string& key : keys)
    if (auto value = field(text, key, 16)) return value;
  return std::nullopt;
}

// Not told: 0.
std::uint64_t number_of(std::string_view text, const std::string& key) {
  return key.empty() ? 0 : field(text, key, 10).value_or(0);
}

}  // namespace

std::vector<VcpuSample> parse_registers(std::string_view text, const arch::RegisterWords& words) {
  std::vector<VcpuSample> samples;
  for (auto at = text.find("CPU#"); at != text.npos;) {
    auto next = text.find("CPU#", at + 4);
    std::string_view block = text.substr(at, next == text.npos ? next : next - at);
    at = next;
    const auto cpu = field(block, "CPU#", 10);
    const auto ip = first_of(block, words.ip), flags = first_of(block, words.flags);
    if (!cpu || !ip || !flags) continue;
    const bool told = field(block, words.privilege, 10).has_value();
    samples.push_back({.cpu = static_cast<unsigned>(*cpu),
                       .ip = *ip,
                       .sp = first_of(block, words.sp).value_or(0),
                       .fp = first_of(block, words.fp).value_or(0),
                       .interrupts_enabled = (*flags & words.interrupts_on) != 0,
                       .user_mode = told && number_of(block, words.privilege) == words.user,
                       .halted = number_of(block, words.halted) != 0});
  }
  return samples;
}

}  // namespace ktrial::vm
