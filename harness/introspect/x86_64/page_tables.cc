#include "harness/introspect/x86_64/page_tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "harness/introspect/vmcoreinfo.h"

namespace ktrial::introspect::x86_64 {

namespace {

constexpr std::uint64_t kPresent = 1u << 0, kLarge = 1u << 7;
constexpr std::uint64_t kAddressMask = 0x000ffffffffff000;  // bits 12 to 51
// __START_KERNEL_map: the kernel image is mapped linearly from here.
constexpr std::uint64_t kImageMap = 0xffffffff80000000;

// The upper half, sign-extended from the highest bit that the tables translate.
bool is_kernel_address(std::uint64_t address, int levels) {
  const int high_bit = 12 + 9 * levels - 1;
  return address >> high_bit == ~0ull >> high_bit;
}

}  // namespace

Tables::Tables(std::shared_ptr<const PhysicalMemory> memory, std::uint64_t root, int levels)
    : memory_(std::move(memory)), root_(root & kAddressMask), levels_(levels == 5 ? 5 : 4) {}

Result<std::unique_ptr<PageTables>> Tables::of_kernel(std::shared_ptr<const PhysicalMemory> memory,
                                                      const VmCoreInfo& info) {
  const std::uint64_t directory = KTRIAL_TRY(info.symbol("swapper_pg_dir"));
  // phys_base is where the image was put less where it was linked to be: may be negative.
  const std::uint64_t root = directory - kImageMap + KTRIAL_TRY(info.number("phys_base"));
  const bool five = info.number("pgtable_l5_enabled").value_or(0) != 0;
  auto tables = std::make_unique<Tables>(std::move(memory), root, five ? 5 : 4);
  const Place place = KTRIAL_TRY(tables->translate(directory));
  if (place.physical != root)
    return fail(ErrorKind::protocol,
                fmt::format("kernel {}: its page tables at {:#x} map themselves to {:#x}",
                            info.release(), root, place.physical));
  return std::unique_ptr<PageTables>(std::move(tables));
}

Result<Tables::Leaf> Tables::walk(std::uint64_t address) const {
  std::uint64_t table = root_;
  for (int level = levels_; level >= 1; --level) {
    const int shift = 12 + 9 * (level - 1);
    const std::uint64_t index = address >> shift & 511;
    std::uint64_t entry = 0;
    KTRIAL_TRY(memory_->read(table + index * 8, std::as_writable_bytes(std::span(&entry, 1))));
    if ((entry & kPresent) == 0)
      return fail(ErrorKind::protocol, fmt::format("kernel address {:#x} is not mapped", address));
    if (level == 1 || (entry & kLarge) != 0) {
      if (level > 3)
        return fail(ErrorKind::protocol,
                    fmt::format("kernel address {:#x}: a page table entry that cannot be: {:#x}",
                                address, entry));
      const std::uint64_t size = 1ull << shift;
      return Leaf{address & ~(size - 1), entry & kAddressMask & ~(size - 1), size};
    }
    table = entry & kAddressMask;
  }
  return fail(ErrorKind::internal, "page walk without a leaf");
}

// `base`: what the table's first entry maps, without the sign's bits.
void Tables::add_mapped(std::uint64_t table, int level, std::uint64_t base, Range wanted,
                        std::vector<Range>& out) const {
  std::array<std::uint64_t, 512> entries;
  if (!memory_->read(table, std::as_writable_bytes(std::span(entries)))) return;
  const int shift = 12 + 9 * (level - 1);
  for (std::uint64_t i = 0; i < entries.size(); ++i) {
    const std::uint64_t begin = base + (i << shift), end = begin + (1ull << shift);
    if (end <= wanted.begin || begin >= wanted.end || (entries[i] & kPresent) == 0) continue;
    if (level > 1 && (entries[i] & kLarge) == 0) {
      add_mapped(entries[i] & kAddressMask, level - 1, begin, wanted, out);
    } else if (level <= 3) {
      const Range part{std::max(begin, wanted.begin), std::min(end, wanted.end)};
      if (!out.empty() && out.back().end == part.begin)
        out.back().end = part.end;
      else
        out.push_back(part);
    }
  }
}

std::vector<Range> Tables::mapped(std::uint64_t begin, std::uint64_t end) const {
  // Only the bits that the tables translate, so that the last address is no wrap.
  const std::uint64_t sign = ~0ull << (12 + 9 * levels_);
  std::vector<Range> out;
  add_mapped(root_, levels_, 0, {begin & ~sign, end & ~sign}, out);
  for (Range& range : out) range = {range.begin | sign, range.end | sign};
  return out;
}

Result<PageTables::Place> Tables::translate(std::uint64_t address) const {
  if (!is_kernel_address(address, levels_))
    return fail(ErrorKind::protocol, fmt::format("{:#x} is no kernel address", address));
  Leaf& leaf = remembered_[address >> 12 & (remembered_.size() - 1)];
  if (leaf.base == 1 || address - leaf.base >= leaf.size) leaf = KTRIAL_TRY(walk(address));
  const std::uint64_t offset = address - leaf.base;
  return Place{leaf.physical + offset, leaf.size - offset};
}

Status Tables::read(std::uint64_t address, std::span<std::byte> out) const {
  while (!out.empty()) {
    const Place place = KTRIAL_TRY(translate(address));
    const std::size_t n = std::min<std::uint64_t>(out.size(), place.bytes);
    KTRIAL_TRY(memory_->read(place.physical, out.first(n)));
    out = out.subspan(n);
    address += n;
  }
  return {};
}

}  // namespace ktrial::introspect::x86_64
