// Intel SDM volume 3, chapter "Paging".
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "harness/introspect/page_tables.h"

namespace ktrial::introspect {
class VmCoreInfo;
}

namespace ktrial::introspect::x86_64 {

class Tables final : public PageTables {
 public:
  // `root`: the physical address of the top table; `levels` is 4 or 5.
  Tables(std::shared_ptr<const PhysicalMemory> memory, std::uint64_t root, int levels);
  // By SYMBOL(swapper_pg_dir), NUMBER(phys_base) and NUMBER(pgtable_l5_enabled);
  // an error unless these tables map swapper_pg_dir to where they lie.
  static Result<std::unique_ptr<PageTables>> of_kernel(std::shared_ptr<const PhysicalMemory> memory,
                                                       const VmCoreInfo& info);

  Result<Place> translate(std::uint64_t address) const override;  // of the upper half
  Status read(std::uint64_t address, std::span<std::byte> out) const override;
  std::vector<Range> mapped(std::uint64_t begin, std::uint64_t end) const override;

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

}  // namespace ktrial::introspect::x86_64
