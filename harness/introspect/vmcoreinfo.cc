#include "harness/introspect/vmcoreinfo.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "harness/base/text.h"

namespace ktrial::introspect {

namespace {

// The note: Elf64_Nhdr (three words), the name padded to 12 bytes, the text.
constexpr std::string_view kName("VMCOREINFO\0", 11);
constexpr std::size_t kNameAt = 12, kTextAt = 24;
constexpr std::size_t kLongestNote = 64u << 10;  // kernels keep it in one page
constexpr std::size_t kBlock = 1u << 20;
constexpr int kMostCandidates = 64;

std::optional<std::uint64_t> parse_number(std::string_view text, int base) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  if (text.starts_with("0x")) {
    text.remove_prefix(2);
    base = 16;
  }
  const auto value = to_number<std::uint64_t>(text, base);
  return negative && value ? 0 - *value : value;
}

bool is_hex(std::string_view text) {
  return text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::uint32_t word_at(const std::byte* at) {
  std::uint32_t value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

// The note whose name lies at `name` physical, if there is one.
std::optional<VmCoreInfo> read_note(const PhysicalMemory& memory, std::uint64_t name) {
  if (name < kNameAt) return std::nullopt;
  const std::uint64_t note = name - kNameAt;
  std::byte header[kTextAt];
  if (!memory.read(note, header)) return std::nullopt;
  const std::uint32_t length = word_at(header + 4);
  if (word_at(header) != kName.size() || word_at(header + 8) != 0) return std::nullopt;
  if (length == 0 || length > kLongestNote) return std::nullopt;
  std::string text(length, '\0');
  if (!memory.read(note + kTextAt, std::as_writable_bytes(std::span(text)))) return std::nullopt;
  auto info = VmCoreInfo::parse(text);
  if (!info) return std::nullopt;
  return std::move(*info);
}

}  // namespace

Result<VmCoreInfo> VmCoreInfo::parse(std::string_view text) {
  VmCoreInfo info;
  info.text_ = text;
  while (const auto line = take_line(text)) {
    const std::size_t equals = line->find('=');
    if (equals == std::string_view::npos || equals == 0) continue;
    info.values_.insert_or_assign(std::string(line->substr(0, equals)),
                                  std::string(line->substr(equals + 1)));
  }
  auto value = [&](std::string_view key) -> std::string {
    auto it = info.values_.find(key);
    return it == info.values_.end() ? "" : it->second;
  };
  info.release_ = value("OSRELEASE");
  if (info.release_.empty()) return fail(ErrorKind::protocol, "VMCOREINFO: no OSRELEASE");
  if (value("PAGESIZE") != "4096")
    return fail(ErrorKind::protocol, "VMCOREINFO: PAGESIZE is not 4096");
  if (is_hex(value("BUILD-ID")) && value("BUILD-ID").size() <= 128)
    info.build_id_ = value("BUILD-ID");
  if (info.values_.contains("KERNELOFFSET")) {
    const auto offset = parse_number(value("KERNELOFFSET"), 16);
    if (!offset) return fail(ErrorKind::protocol, "VMCOREINFO: KERNELOFFSET is no number");
    info.kernel_offset_ = *offset;
  }
  return info;
}

Result<std::uint64_t> VmCoreInfo::number_of(std::string_view kind, std::string_view name) const {
  const std::string key = fmt::format("{}({})", kind, name);
  const auto it = values_.find(key);
  if (it == values_.end())
    return fail(ErrorKind::protocol, fmt::format("kernel {}: VMCOREINFO has no {}", release_, key));
  const auto value = parse_number(it->second, kind == "SYMBOL" ? 16 : 10);
  if (!value)
    return fail(ErrorKind::protocol,
                fmt::format("kernel {}: VMCOREINFO has {} for {}", release_, it->second, key));
  return *value;
}

std::vector<Symbol> VmCoreInfo::symbols() const {
  static constexpr std::string_view kKind = "SYMBOL(";
  std::vector<Symbol> out;
  for (auto it = values_.lower_bound(kKind); it != values_.end() && it->first.starts_with(kKind);
       ++it) {
    const std::string name = it->first.substr(kKind.size(), it->first.size() - kKind.size() - 1);
    if (const auto address = symbol(name)) out.push_back({.address = *address, .name = name});
  }
  return out;
}

Result<VmCoreInfo> find_vmcoreinfo(const PhysicalMemory& memory,
                                   const std::function<bool(const VmCoreInfo&)>& accept) {
  std::vector<std::byte> block(kBlock);
  int candidates = 0;
  for (const Range& range : memory.data_ranges()) {
    // Blocks overlap by a name less one byte, so that none is cut in two.
    for (std::uint64_t at = range.begin; at < range.end;) {
      const std::size_t n = std::min<std::uint64_t>(kBlock, range.end - at);
      KTRIAL_TRY(memory.read(at, std::span(block).first(n)));
      const std::byte* from = block.data();
      const std::byte* const end = from + n;
      while (auto* hit = static_cast<const std::byte*>(::memmem(
                 from, static_cast<std::size_t>(end - from), kName.data(), kName.size()))) {
        const std::uint64_t name = at + static_cast<std::uint64_t>(hit - block.data());
        if (auto info = read_note(memory, name)) {
          if (accept(*info)) return std::move(*info);
          if (++candidates == kMostCandidates)
            return fail(ErrorKind::protocol, "guest RAM is full of false VMCOREINFO notes");
        }
        from = hit + 1;
      }
      if (n < kBlock) break;
      at += kBlock - (kName.size() - 1);
    }
  }
  if (candidates > 0)
    return fail(ErrorKind::protocol,
                "guest RAM holds VMCOREINFO, but not of a kernel whose page tables are there");
  return fail(ErrorKind::protocol, "no VMCOREINFO in guest RAM",
              "the kernel has not come far enough yet, or was built without CONFIG_VMCORE_INFO "
              "(CONFIG_CRASH_CORE before 6.9)");
}

}  // namespace ktrial::introspect
