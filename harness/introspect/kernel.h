// A guest's kernel, opened from its RAM and nothing else: VMCOREINFO, then its
// page tables (whose form tells the processor), then its symbols. The guest should be paused
// meanwhile.
//
//   auto ram = RamFile::open(KTRIAL_TRY(vm.ram(patience)));
//   auto kernel = Kernel::open(std::move(*ram), cache_folder);
//   kernel->symbols().describe(ip); read_log(*kernel, kernel->info()); ...
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "harness/introspect/address_space.h"
#include "harness/introspect/isa.h"
#include "harness/introspect/memory.h"
#include "harness/introspect/page_tables.h"
#include "harness/introspect/symbols.h"
#include "harness/introspect/vmcoreinfo.h"

namespace ktrial::introspect {

class Kernel final : public AddressSpace {
 public:
  // Symbols are kept in `cache_dir`, one file a build; empty: nowhere. A cache
  // that cannot be read or written costs time, never the result.
  static Result<std::unique_ptr<Kernel>> open(std::shared_ptr<const PhysicalMemory> memory,
                                              const std::filesystem::path& cache_dir);

  Status read(std::uint64_t address, std::span<std::byte> out) const override {
    return tables_->read(address, out);
  }
  const VmCoreInfo& info() const { return info_; }
  // Of the image; modules are not in it. Data that the kernel does not list is found by its
  // shape (hidden_symbols.h). Empty if there is none to be had, as without CONFIG_KALLSYMS:
  // why, symbols_error() tells.
  const SymbolTable& symbols() const { return symbols_; }
  const std::optional<Error>& symbols_error() const { return symbols_error_; }
  const Isa& isa() const { return *isa_; }
  const PageTables& page_tables() const { return *tables_; }
  const PhysicalMemory& memory() const { return *memory_; }

  // The kernel's type information, as /sys/kernel/btf/vmlinux would give it.
  Result<std::string> btf_bytes() const;

 private:
  Kernel(const Isa& isa, std::shared_ptr<const PhysicalMemory> memory, VmCoreInfo info,
         std::unique_ptr<PageTables> tables)
      : isa_(&isa),
        memory_(std::move(memory)),
        info_(std::move(info)),
        tables_(std::move(tables)) {}
  Result<std::vector<Symbol>> find_symbols(const std::filesystem::path& cache_dir) const;

  const Isa* isa_;
  std::shared_ptr<const PhysicalMemory> memory_;
  VmCoreInfo info_;
  std::unique_ptr<PageTables> tables_;
  SymbolTable symbols_;
  std::optional<Error> symbols_error_;
};

}  // namespace ktrial::introspect
