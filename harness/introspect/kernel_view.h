// What the readers of kernel structures need. Does not own what it refers to.
#pragma once

#include "harness/introspect/address_space.h"
#include "harness/introspect/btf.h"
#include "harness/introspect/symbols.h"

namespace ktrial::introspect {

struct KernelView {
  const AddressSpace& memory;
  const SymbolTable& symbols;
  const Btf& btf;

  Result<std::uint64_t> symbol(std::string_view name) const {
    if (auto address = symbols.address(name)) return *address;
    return fail(ErrorKind::protocol, "this kernel has no symbol " + std::string(name));
  }
  // Of a per-CPU variable, the copy of `cpu`.
  Result<std::uint64_t> per_cpu(std::string_view name, unsigned cpu) const {
    const std::uint64_t base = KTRIAL_TRY(symbol(name));
    const std::uint64_t offsets = KTRIAL_TRY(symbol("__per_cpu_offset"));
    return base + KTRIAL_TRY(read_value<std::uint64_t>(memory, offsets + 8ull * cpu));
  }
  // A pointer that lies at `base` + the offset of struct.member.
  Result<std::uint64_t> pointer(std::uint64_t base, std::string_view type,
                                std::string_view member) const {
    return read_value<std::uint64_t>(memory, base + KTRIAL_TRY(btf.offset(type, member)));
  }
};

}  // namespace ktrial::introspect
