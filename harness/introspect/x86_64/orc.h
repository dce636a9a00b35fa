// The kernel's ORC unwind tables in its RAM: how to find the caller's frame from any
// instruction (Documentation/arch/x86/orc-unwinder.rst, arch/x86/include/asm/orc_types.h).
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "harness/introspect/kernel_view.h"
#include "harness/introspect/modules.h"

namespace ktrial::introspect::x86_64 {

enum class OrcRegister : std::uint8_t {
  undefined,
  prev_sp,
  ax,
  dx,
  di,
  bp,
  sp,
  r10,
  r13,
  bp_indirect,
  sp_indirect,
};
enum class OrcType : std::uint8_t { undefined, end, call, regs, regs_partial };

struct OrcEntry {
  OrcType type = OrcType::undefined;
  OrcRegister sp_register = OrcRegister::undefined, bp_register = OrcRegister::undefined;
  std::int16_t sp_offset = 0, bp_offset = 0;
};

class OrcTables {
 public:
  // An error where the kernel was built without ORC.
  static Result<OrcTables> open(const KernelView& kernel, const std::vector<Module>& modules);
  // The entry for the instruction at `address`.
  std::optional<OrcEntry> find(const KernelView& kernel, std::uint64_t address) const;
  // All of them, in ascending order of each table: from `begin` to below `end` one holds.
  using Use = std::function<void(std::uint64_t begin, std::uint64_t end, const OrcEntry&)>;
  Status each(const KernelView& kernel, const Use& use) const;

 private:
  struct Table {
    std::uint64_t begin, end;  // the text that it covers
    std::uint64_t ips, entries, count;
  };
  // Where the bit fields of struct orc_entry are; they moved between versions.
  struct Layout {
    std::uint64_t size = 0;
    Btf::Field sp_register, bp_register, type, end;
    bool has_end = false;  // up to 6.3: a flag, and types counted from "call"
    // What a number in the bit fields stands for. They were given anew between 7.0 and 7.3.
    const std::array<OrcRegister, 16>* registers = nullptr;
  };
  static Result<std::optional<Table>> table_of(const KernelView& kernel, const Module& module);
  Status find_numbering(const KernelView& kernel);
  Result<std::array<std::uint8_t, 8>> bytes_at(const KernelView& kernel, std::uint64_t at) const;
  Result<OrcEntry> read(const KernelView& kernel, std::uint64_t at) const;
  OrcEntry decode(const std::array<std::uint8_t, 8>& bytes) const;
  std::vector<Table> tables_;
  Layout layout_;
};

}  // namespace ktrial::introspect::x86_64
