#include "harness/introspect/memory.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "harness/vm/private_pages.h"

namespace ktrial::introspect {

Result<std::unique_ptr<RamFile>> RamFile::open(Fd file, std::uint64_t bytes,
                                               const arch::Machine& machine) {
  struct stat info;
  if (::fstat(file.get(), &info) != 0) return fail_errno("guest RAM", errno);
  if (info.st_size < 0 || static_cast<std::uint64_t>(info.st_size) < bytes)
    return fail(ErrorKind::environment,
                fmt::format("guest RAM: the file has {} bytes, not {}", info.st_size, bytes));
  const std::uint64_t low = machine.low_memory(bytes);
  std::vector<Region> regions = {{{machine.ram_base, machine.ram_base + low}, 0}};
  if (bytes > low) regions.push_back({{machine.high_base, machine.high_base + (bytes - low)}, low});
  return std::unique_ptr<RamFile>(new RamFile(std::move(file), std::move(regions)));
}

Result<std::unique_ptr<RamFile>> RamFile::open(vm::GuestRam ram) {
  auto file = KTRIAL_TRY(open(std::move(ram.fd), ram.bytes, *ram.machine));
  file->own_ = std::move(ram.own);
  return file;
}

Status RamFile::read(std::uint64_t address, std::span<std::byte> out) const {
  for (const Region& region : regions_) {
    if (address < region.physical.begin || address >= region.physical.end) continue;
    if (out.size() > region.physical.end - address) break;
    std::uint64_t offset = region.file_offset + (address - region.physical.begin);
    const std::uint64_t begin = offset;
    const std::span<std::byte> all = out;
    while (!out.empty()) {
      const ssize_t n = ::pread(file_.get(), out.data(), out.size(), static_cast<off_t>(offset));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return fail_errno(fmt::format("guest RAM at {:#x}", address), errno);
      if (n == 0) return fail(ErrorKind::environment, "guest RAM: the file was cut short");
      out = out.subspan(static_cast<std::size_t>(n));
      offset += static_cast<std::uint64_t>(n);
    }
    return own_ ? own_->lay_over(begin, all) : Status{};
  }
  return fail(ErrorKind::protocol,
              fmt::format("physical {:#x} and {} bytes on are not RAM", address, out.size()));
}

std::vector<Range> RamFile::ram_ranges() const {
  std::vector<Range> out;
  for (const Region& region : regions_) out.push_back(region.physical);
  return out;
}

void RamFile::add_data(const Region& region, std::vector<Range>& out) const {
  const std::uint64_t size = region.physical.end - region.physical.begin;
  const std::uint64_t file_end = region.file_offset + size;
  auto physical = [&](std::uint64_t offset) {
    return region.physical.begin + (offset - region.file_offset);
  };
  for (std::uint64_t at = region.file_offset; at < file_end;) {
    const off_t data = ::lseek(file_.get(), static_cast<off_t>(at), SEEK_DATA);
    if (data < 0 && errno == ENXIO) return;  // a hole up to the end
    const off_t hole = data < 0 ? -1 : ::lseek(file_.get(), data, SEEK_HOLE);
    if (hole <= data) {  // a file system that cannot tell: all of it may be data
      out.push_back({physical(at), region.physical.end});
      return;
    }
    if (static_cast<std::uint64_t>(data) >= file_end) return;
    const std::uint64_t end = std::min(static_cast<std::uint64_t>(hole), file_end);
    out.push_back({physical(static_cast<std::uint64_t>(data)), physical(end)});
    at = end;
  }
}

std::vector<Range> RamFile::data_ranges() const {
  std::vector<Range> out;
  for (const Region& region : regions_) add_data(region, out);
  return own_ ? with_own_pages(std::move(out)) : out;
}

std::vector<Range> RamFile::with_own_pages(std::vector<Range> data) const {
  const auto changed = own_->changed();
  if (!changed) return data;
  for (const vm::PrivatePages::Range& range : *changed)
    for (const Region& region : regions_) {
      const std::uint64_t end = region.file_offset + region.physical.end - region.physical.begin;
      const std::uint64_t from = std::max(range.begin, region.file_offset);
      const std::uint64_t to = std::min(range.end, end);
      if (from >= to) continue;
      const std::uint64_t shift = region.physical.begin - region.file_offset;
      data.push_back({from + shift, to + shift});
    }
  std::ranges::sort(data, {}, &Range::begin);
  std::vector<Range> out;
  for (const Range& range : data) {
    if (!out.empty() && range.begin <= out.back().end)
      out.back().end = std::max(out.back().end, range.end);
    else
      out.push_back(range);
  }
  return out;
}

}  // namespace ktrial::introspect
