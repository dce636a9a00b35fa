// A guest's physical memory, from the file that backs its RAM.
//
// RAM files are sparse: most of a guest's memory was never touched. Reading goes
// by pread(2), because a hole of a tmpfs or memfd that is read through mmap(2)
// is filled, and a guest of many GiB would then occupy all of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "harness/base/fd.h"
#include "harness/base/result.h"
#include "harness/vm/vm.h"

namespace ktrial::introspect {

// Bytes [begin, end).
struct Range {
  std::uint64_t begin = 0, end = 0;
  bool operator==(const Range&) const = default;
};

class PhysicalMemory {
 public:
  virtual ~PhysicalMemory() = default;
  // Exactly out.size() bytes at physical `address`; an error if any is no RAM.
  virtual Status read(std::uint64_t address, std::span<std::byte> out) const = 0;
  // All RAM, ascending, without overlaps.
  virtual std::vector<Range> ram_ranges() const = 0;
  // The parts of it that may hold something else than zeroes, likewise.
  virtual std::vector<Range> data_ranges() const = 0;
};

class RamFile final : public PhysicalMemory {
 public:
  // `bytes` of RAM in file order, laid out as QEMU's `machine` does it.
  static Result<std::unique_ptr<RamFile>> open(Fd file, std::uint64_t bytes,
                                               const arch::Machine& machine);
  static Result<std::unique_ptr<RamFile>> open(vm::GuestRam ram);

  Status read(std::uint64_t address, std::span<std::byte> out) const override;
  std::vector<Range> ram_ranges() const override;
  std::vector<Range> data_ranges() const override;

 private:
  struct Region {
    Range physical;
    std::uint64_t file_offset;
  };
  RamFile(Fd file, std::vector<Region> regions)
      : file_(std::move(file)), regions_(std::move(regions)) {}
  void add_data(const Region& region, std::vector<Range>& out) const;
  std::vector<Range> with_own_pages(std::vector<Range> data) const;

  Fd file_;
  std::shared_ptr<const vm::PrivatePages> own_;
  std::vector<Region> regions_;
};

}  // namespace ktrial::introspect
