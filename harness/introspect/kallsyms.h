// The kernel's own symbol table, as it lies compressed in its memory
// (scripts/kallsyms.c writes it, kernel/kallsyms.c reads it).
//
// Names: each is a length (one byte, or two as ULEB128) and so many bytes, every
// one the number of a token; the first character of the expansion is nm's letter.
// Offsets, 32 bits each, come in three encodings. Absolute per-CPU (x86 to 6.14): a
// negative one is below relative_base - 1, the others are addresses. Base relative
// (to 6.19): unsigned, counted from relative_base. Place relative (from 7.0, which has
// no relative_base): signed, counted from where the offset itself lies. No version tells
// which it is, the tables do.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "harness/introspect/address_space.h"
#include "harness/introspect/symbols.h"

namespace ktrial::introspect {

class VmCoreInfo;

// What no kernel has more of: tables beyond are something else.
inline constexpr std::uint32_t kMostSymbols = 2u << 20;
inline constexpr std::uint64_t kLongestNames = 64u << 20, kLongestTokens = 64u << 10;  // bytes

// The tables as bytes; untrusted.
struct KallsymsTables {
  std::span<const std::byte> names;        // may be longer than the names
  std::span<const std::byte> tokens;       // NUL-terminated strings
  std::span<const std::uint16_t> index;    // 256 offsets into tokens
  std::span<const std::uint32_t> offsets;  // one a symbol
  std::uint64_t offsets_at = 0;            // where the first of them lies
  std::optional<std::uint64_t> relative_base = {};
};

// In the kernel's order: ascending. The encoding is the one in which most symbols have the
// address that `known` gives them; of equals the one in which the fewest are out of order.
Result<std::vector<Symbol>> decode_kallsyms(const KallsymsTables& tables,
                                            std::span<const Symbol> known);

// The tables' places are in VMCOREINFO (since 6.0; CONFIG_KALLSYMS).
Result<std::vector<Symbol>> read_kallsyms(const AddressSpace& space, const VmCoreInfo& info);
// How many symbols read_kallsyms gives.
Result<std::uint32_t> kallsyms_count(const AddressSpace& space, const VmCoreInfo& info);

}  // namespace ktrial::introspect
