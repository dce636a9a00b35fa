#include "harness/introspect/x86_64/orc.h"

#include <algorithm>
#include <cstring>
#include <span>

namespace ktrial::introspect::x86_64 {

namespace {

// A bit field of a struct whose bytes are `bytes`, least significant bit first.
std::uint32_t bits_of(const std::array<std::uint8_t, 8>& bytes, const Btf::Field& field) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) value |= std::uint64_t{bytes[i]} << 8 * i;
  return static_cast<std::uint32_t>(value >> (field.offset * 8 + field.bit) &
                                    ((1u << field.bits) - 1));
}

using enum OrcRegister;
constexpr std::array<OrcRegister, 16> kOldNumbers = {
    undefined, prev_sp, dx, di, bp, sp, r10, r13, bp_indirect, sp_indirect};
constexpr std::array<OrcRegister, 16> kNewNumbers = {
    undefined, ax, dx, sp, bp, di, r10, r13, prev_sp, sp_indirect, bp_indirect};
constexpr std::uint64_t kSample = 4096;  // entries, of some 600,000

}  // namespace

// No type tells the numbering, but the entries do: a function begins with the caller's frame 8
// bytes above SP, so that most entries go by SP, and next to none by DI.
Status OrcTables::find_numbering(const KernelView& kernel) {
  const Table& image = tables_.front();
  std::uint64_t by_old = 0, by_new = 0;
  for (std::uint64_t i = 0; i < std::min(image.count, kSample); ++i) {
    const auto raw = bytes_at(kernel, image.entries + layout_.size * i);
    if (!raw) break;
    const auto number = bits_of(*raw, layout_.sp_register);
    by_old += kOldNumbers[number & 15] == sp;
    by_new += kNewNumbers[number & 15] == sp;
  }
  if (by_old == by_new)
    return fail(ErrorKind::protocol, "the ORC table's entries name no stack pointer");
  layout_.registers = by_old > by_new ? &kOldNumbers : &kNewNumbers;
  return {};
}

// struct mod_arch_specific (arch/x86/include/asm/module.h). Nothing: the module has no table.
Result<std::optional<OrcTables::Table>> OrcTables::table_of(const KernelView& kernel,
                                                            const Module& module) {
  if (!kernel.btf.has("module", "arch.num_orcs")) return std::nullopt;
  const std::uint64_t at =
      module.address + KTRIAL_TRY(kernel.btf.offset("module", "arch.num_orcs"));
  const std::uint64_t count = KTRIAL_TRY(read_value<std::uint32_t>(kernel.memory, at));
  if (count == 0) return std::nullopt;
  return Table{module.text, module.text + module.text_size,
               KTRIAL_TRY(kernel.pointer(module.address, "module", "arch.orc_unwind_ip")),
               KTRIAL_TRY(kernel.pointer(module.address, "module", "arch.orc_unwind")), count};
}

Result<OrcTables> OrcTables::open(const KernelView& kernel, const std::vector<Module>& modules) {
  OrcTables out;
  const std::uint64_t ips = KTRIAL_TRY(kernel.symbol("__start_orc_unwind_ip"));
  const std::uint64_t ips_end = KTRIAL_TRY(kernel.symbol("__stop_orc_unwind_ip"));
  const std::uint64_t entries = KTRIAL_TRY(kernel.symbol("__start_orc_unwind"));
  const std::uint64_t begin = KTRIAL_TRY(kernel.symbol("_stext"));
  const std::uint64_t end = KTRIAL_TRY(kernel.symbol("_etext"));
  if (ips_end <= ips) return fail(ErrorKind::protocol, "the ORC table is empty");
  out.tables_.push_back({begin, end, ips, entries, (ips_end - ips) / 4});
  for (const Module& module : modules)
    if (auto table = KTRIAL_TRY(table_of(kernel, module))) out.tables_.push_back(*table);

  Layout& layout = out.layout_;
  layout.size = KTRIAL_TRY(kernel.btf.size("orc_entry"));
  layout.sp_register = KTRIAL_TRY(kernel.btf.field("orc_entry", "sp_reg"));
  layout.bp_register = KTRIAL_TRY(kernel.btf.field("orc_entry", "bp_reg"));
  layout.type = KTRIAL_TRY(kernel.btf.field("orc_entry", "type"));
  if (auto flag = kernel.btf.field("orc_entry", "end")) {
    layout.end = *flag;
    layout.has_end = true;
  }
  const auto fits = [&](const Btf::Field& field) {
    return field.bits > 0 && field.bits < 32 &&
           field.offset * 8 + field.bit + field.bits <= 8 * layout.size;
  };
  if (layout.size < 6 || layout.size > 8 || !fits(layout.sp_register) ||
      !fits(layout.bp_register) || !fits(layout.type) || (layout.has_end && !fits(layout.end)))
    return fail(ErrorKind::protocol, "struct orc_entry is of no known form");
  KTRIAL_TRY(out.find_numbering(kernel));
  return out;
}

Result<std::array<std::uint8_t, 8>> OrcTables::bytes_at(const KernelView& kernel,
                                                        std::uint64_t at) const {
  std::array<std::uint8_t, 8> bytes{};
  KTRIAL_TRY(kernel.memory.read(at, std::as_writable_bytes(std::span(bytes.data(), layout_.size))));
  return bytes;
}

Result<OrcEntry> OrcTables::read(const KernelView& kernel, std::uint64_t at) const {
  return decode(KTRIAL_TRY(bytes_at(kernel, at)));
}

OrcEntry OrcTables::decode(const std::array<std::uint8_t, 8>& bytes) const {
  OrcEntry entry;
  std::memcpy(&entry.sp_offset, bytes.data(), 2);
  std::memcpy(&entry.bp_offset, bytes.data() + 2, 2);
  entry.sp_register = (*layout_.registers)[bits_of(bytes, layout_.sp_register) & 15];
  entry.bp_register = (*layout_.registers)[bits_of(bytes, layout_.bp_register) & 15];
  const std::uint32_t type = bits_of(bytes, layout_.type);
  if (!layout_.has_end) {
    entry.type = type <= 4 ? static_cast<OrcType>(type) : OrcType::undefined;
  } else if (entry.sp_register == OrcRegister::undefined) {
    entry.type = bits_of(bytes, layout_.end) != 0 ? OrcType::end : OrcType::undefined;
  } else {
    entry.type = type <= 2 ? static_cast<OrcType>(type + 2) : OrcType::undefined;
  }
  return entry;
}

Status OrcTables::each(const KernelView& kernel, const Use& use) const {
  constexpr std::uint64_t kMost = 4u << 20;  // entries of one table
  for (const Table& table : tables_) {
    if (table.count > kMost) return fail(ErrorKind::protocol, "an ORC table is too long");
    std::vector<std::int32_t> ips(table.count);
    KTRIAL_TRY(kernel.memory.read(table.ips, std::as_writable_bytes(std::span(ips))));
    std::vector<std::uint8_t> raw(table.count * layout_.size);
    KTRIAL_TRY(kernel.memory.read(table.entries, std::as_writable_bytes(std::span(raw))));
    const auto ip = [&](std::uint64_t i) {
      if (i == table.count) return table.end;
      return table.ips + 4 * i + static_cast<std::uint64_t>(std::int64_t{ips[i]});
    };
    for (std::uint64_t i = 0; i < table.count; ++i) {
      if (ip(i) < table.begin || ip(i + 1) > table.end || ip(i) >= ip(i + 1)) continue;
      std::array<std::uint8_t, 8> bytes{};
      std::memcpy(bytes.data(), raw.data() + i * layout_.size, layout_.size);
      use(ip(i), ip(i + 1), decode(bytes));
    }
  }
  return {};
}

std::optional<OrcEntry> OrcTables::find(const KernelView& kernel, std::uint64_t address) const {
  for (const Table& table : tables_) {
    if (address < table.begin || address >= table.end) continue;
    // The last entry at or before the address; each is relative to its own place.
    std::uint64_t low = 0, high = table.count;
    while (low < high) {
      const std::uint64_t middle = low + (high - low) / 2;
      const std::uint64_t at = table.ips + 4 * middle;
      auto relative = read_value<std::int32_t>(kernel.memory, at);
      if (!relative) return std::nullopt;
      const std::uint64_t ip = at + static_cast<std::uint64_t>(std::int64_t{*relative});
      if (ip <= address)
        low = middle + 1;
      else
        high = middle;
    }
    if (low == 0) return std::nullopt;
    auto entry = read(kernel, table.entries + layout_.size * (low - 1));
    if (entry) return *entry;
    return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace ktrial::introspect::x86_64
