#include "harness/vm/private_pages.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <string>

#include "harness/base/file.h"
#include "harness/base/text.h"

namespace ktrial::vm {
namespace {

constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kPresent = 1ull << 63, kSwapped = 1ull << 62, kOfFile = 1ull << 61;

bool is_private(std::uint64_t entry) {
  return (entry & (kPresent | kSwapped)) != 0 && (entry & kOfFile) == 0;
}

Status read_whole(int fd, std::uint64_t offset, std::span<std::byte> out, const char* what) {
  while (!out.empty()) {
    const ssize_t n = ::pread(fd, out.data(), out.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return fail_errno(what, n < 0 ? errno : ESRCH);
    out = out.subspan(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
  return {};
}

Status write_whole(int fd, std::uint64_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return fail_errno("a copy of guest RAM", n < 0 ? errno : ENOSPC);
    bytes = bytes.subspan(static_cast<std::size_t>(n));
    offset += static_cast<std::uint64_t>(n);
  }
  return {};
}

// Where `maps` (of /proc/PID) shows that file from its begin on.
std::optional<std::uint64_t> mapped_at(std::string_view maps, const struct stat& file,
                                       std::uint64_t bytes) {
  for (const std::string_view line : split(maps, '\n')) {
    std::uint64_t begin = 0, end = 0, offset = 0, inode = 0;
    unsigned major = 0, minor = 0;
    if (std::sscanf(std::string(line).c_str(),
                    "%" SCNx64 "-%" SCNx64 " %*s %" SCNx64 " %x:%x %" SCNu64, &begin, &end, &offset,
                    &major, &minor, &inode) != 6)
      continue;
    if (offset == 0 && inode == file.st_ino && makedev(major, minor) == file.st_dev &&
        end - begin >= bytes)
      return begin;
  }
  return std::nullopt;
}

}  // namespace

Result<std::shared_ptr<const PrivatePages>> PrivatePages::open(pid_t process, int file,
                                                               std::uint64_t bytes) {
  const std::string root = "/proc/" + std::to_string(process);
  struct stat info{};
  if (::fstat(file, &info) != 0) return fail_errno("guest RAM", errno);
  const auto address = mapped_at(KTRIAL_TRY(read_file(root + "/maps")), info, bytes);
  if (!address) return fail(ErrorKind::environment, "the VMM does not map the guest's RAM");
  Fd pagemap = KTRIAL_TRY(open_file(root + "/pagemap", O_RDONLY));
  Fd memory = KTRIAL_TRY(open_file(root + "/mem", O_RDONLY));
  return std::shared_ptr<const PrivatePages>(
      new PrivatePages(std::move(pagemap), std::move(memory), *address, bytes));
}

Status PrivatePages::entries(std::uint64_t first_page, std::span<std::uint64_t> out) const {
  const std::uint64_t offset = (address_ / kPage + first_page) * sizeof(std::uint64_t);
  return read_whole(pagemap_.get(), offset, std::as_writable_bytes(out), "the VMM's page map");
}

Status PrivatePages::read(std::uint64_t offset, std::span<std::byte> out) const {
  return read_whole(memory_.get(), address_ + offset, out, "the VMM's memory");
}

Status PrivatePages::lay_over(std::uint64_t offset, std::span<std::byte> out) const {
  if (out.empty()) return {};
  const std::uint64_t first = offset / kPage, last = (offset + out.size() - 1) / kPage;
  std::vector<std::uint64_t> pages(last - first + 1);
  KTRIAL_TRY(entries(first, pages));
  for (std::uint64_t page = first; page <= last; ++page) {
    if (!is_private(pages[page - first])) continue;
    const std::uint64_t begin = std::max(offset, page * kPage);
    const std::uint64_t end = std::min(offset + out.size(), (page + 1) * kPage);
    KTRIAL_TRY(read(begin, out.subspan(begin - offset, end - begin)));
  }
  return {};
}

Result<std::vector<PrivatePages::Range>> PrivatePages::changed() const {
  constexpr std::uint64_t kAtOnce = 65536;  // pages
  std::vector<Range> out;
  std::vector<std::uint64_t> pages;
  for (std::uint64_t first = 0; first < bytes_ / kPage; first += kAtOnce) {
    pages.resize(std::min(kAtOnce, bytes_ / kPage - first));
    KTRIAL_TRY(entries(first, pages));
    for (std::uint64_t i = 0; i < pages.size(); ++i) {
      if (!is_private(pages[i])) continue;
      const std::uint64_t begin = (first + i) * kPage;
      if (!out.empty() && out.back().end == begin)
        out.back().end += kPage;
      else
        out.push_back({begin, begin + kPage});
    }
  }
  return out;
}

Result<Fd> copy_of_ram(int file, std::uint64_t bytes) {
  Fd copy(::memfd_create("ktrial-ram", MFD_CLOEXEC));
  if (!copy) return fail_errno("memfd_create", errno);
  const auto end = static_cast<off_t>(bytes);
  if (::ftruncate(copy.get(), end) != 0) return fail_errno("a copy of guest RAM", errno);
  for (off_t at = 0; at < end;) {
    off_t data = ::lseek(file, at, SEEK_DATA);
    if (data < 0 && errno == ENXIO) break;  // a hole up to the end
    if (data < 0) return fail_errno("guest RAM", errno);
    const off_t hole = std::min(::lseek(file, data, SEEK_HOLE), end);
    if (::lseek(copy.get(), data, SEEK_SET) != data) return fail_errno("guest RAM", errno);
    while (data < hole) {
      const ssize_t n = ::sendfile(copy.get(), file, &data, static_cast<std::size_t>(hole - data));
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return fail_errno("a copy of guest RAM", n < 0 ? errno : EIO);
    }
    at = hole;
  }
  return copy;
}

Result<Fd> copy_of_ram(int file, std::uint64_t bytes, const PrivatePages& pages) {
  constexpr std::uint64_t kAtOnce = 1 << 20;
  Fd copy = KTRIAL_TRY(copy_of_ram(file, bytes));
  std::vector<std::byte> buffer(kAtOnce);
  for (const PrivatePages::Range& range : KTRIAL_TRY(pages.changed())) {
    for (std::uint64_t at = range.begin; at < range.end;) {
      const std::span part(buffer.data(), std::min(kAtOnce, range.end - at));
      KTRIAL_TRY(pages.lay_over(at, part));
      KTRIAL_TRY(write_whole(copy.get(), at, part));
      at += part.size();
    }
  }
  return copy;
}

}  // namespace ktrial::vm
