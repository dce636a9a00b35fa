// x86-64 page tables (Intel SDM volume 3, chapter "Paging"), walked by hand from
// the kernel's own root, swapper_pg_dir: independent of what a vCPU has loaded,
// so it works for a CPU in user mode and under page-table isolation.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "harness/introspect/address_space.h"
#include "harness/introspect/memory.h"

namespace ktrial::introspect {

class VmCoreInfo;

// Not thread-safe: it remembers translations. They hold while the guest is paused.
class PageTables final : public AddressSpace {
 public:
  // `root`: the physical address of the top table; `levels` is 4 or 5.
  PageTables(std::shared_ptr<const PhysicalMemory> memory, std::uint64_t root, int levels);
  // By SYMBOL(swapper_pg_dir), NUMBER(phys_base) and NUMBER(pgtable_l5_enabled);
  // an error unless these tables map swapper_pg_dir to where they lie.
  static Result<std::unique_ptr<PageTables>> of_kernel(std::shared_ptr<const PhysicalMemory> memory,
                                                       const VmCoreInfo& info);

  struct Place {
    std::uint64_t physical;
    std::uint64_t bytes;  // so many from there on are in the same page
  };
  // Of kernel (upper half) addresses only: others, and unmapped ones, are errors.
  Result<Place> translate(std::uint64_t address) const;
  Status read(std::uint64_t address, std::span<std::byte> out) const override;
  // What is mapped of [begin, end), kernel addresses; ascending, neighbours joined.
  std::vector<Range> mapped(std::uint64_t begin, std::uint64_t end) const;

 private:
  struct Leaf {
    std::uint64_t base = 1;  // virtual; 1: nothing remembered
    std::uint64_t physical = 0, size = 0;
  };
  Result<Leaf> walk(std::uint64_t address) const;
  void add_mapped(std::uint64_t table, int level, std::uint64_t base, Range wanted,
                  std::vector<Range>& out) const;

  std::shared_ptr<const PhysicalMemory> memory_;
  std::uint64_t root_;
  int levels_;
  mutable std::array<Leaf, 1024> remembered_;  // by the number of the 4 KiB page
};

}  // namespace ktrial::introspect
