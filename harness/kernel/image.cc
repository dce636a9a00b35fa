#include "harness/kernel/image.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>

#include "harness/base/file.h"
#include "harness/kernel/elf.h"
#include "harness/kernel/setup_header.h"

namespace ktrial::kernel {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kMaxHead = 64 * 1024;  // setup_sects is one byte: 128 KiB at the very most

constexpr std::uint32_t kXenPhys32Entry = 18;  // XEN_ELFNOTE_PHYS32_ENTRY
constexpr std::uint64_t kMaxSegment = 256u << 20;

std::unexpected<Error> other_arch(const std::string& arch) {
  return usage_error(
      "this is a kernel for " + arch + ", not for " + arch::names(),
      "ktrial boots kernels for " + arch::names() + "; check the ARCH= that it was built with");
}

// What a user may hand over by mistake, by its magic bytes.
std::unexpected<Error> not_a_kernel(std::string_view head) {
  struct Known {
    std::size_t offset;
    std::string_view magic;
    const char* what;
    const char* hint;
  };
  static constexpr Known kKnown[] = {
      {0, "\x1f\x8b", "a gzip file", "uncompress it first"},
      {0, "\x28\xb5\x2f\xfd", "a zstd file", "uncompress it first"},
      {0,
       "\xfd"
       "7zXZ",
       "an xz file", "uncompress it first"},
      {0, "!<arch>\n", "an ar archive", "name a Debian package file as deb:FILE.deb"},
      {0, "070701", "a cpio archive (an initramfs?)", "name the kernel, vmlinuz or bzImage"},
  };
  const std::string accepted = "a kernel image is a bzImage (vmlinuz) or a vmlinux with PVH";
  for (const Known& known : kKnown)
    if (has_at(head, known.offset, known.magic))
      return usage_error(std::string("not a kernel but ") + known.what, known.hint);
  return usage_error("not a kernel image", accepted);
}

std::optional<std::string> foreign_image(std::string_view head) {
  if (has_at(head, 56, "ARM\x64")) return "arm64";
  if (has_at(head, 56, "RSC\x05")) return "riscv";
  if (has_at(head, 0x24, "\x18\x28\x6f\x01")) return "arm";
  if (has_at(head, 0, "MZ") && has_at(head, 4, "zimg")) return "another architecture (EFI zboot)";
  return std::nullopt;
}

Result<std::string> read_range(int fd, std::uint64_t offset, std::size_t size) {
  std::string bytes(size, '\0');
  std::size_t done = 0;
  while (done < size) {
    const ssize_t n =
        ::pread(fd, bytes.data() + done, size - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno("read", errno);
    if (n == 0) break;
    done += static_cast<std::size_t>(n);
  }
  bytes.resize(done);
  return bytes;
}

// linux_banner, "Linux version 6.1.0 (..." among the loaded bytes. The format
// string "Linux version %s" lies there too.
std::optional<std::string> release_in(std::string_view bytes) {
  constexpr std::string_view kBanner = "Linux version ";
  for (std::size_t at = bytes.find(kBanner); at != std::string_view::npos;
       at = bytes.find(kBanner, at + 1)) {
    const std::string_view rest = bytes.substr(at + kBanner.size(), 128);
    if (!rest.empty() && rest[0] >= '0' && rest[0] <= '9') return first_word(rest);
  }
  return std::nullopt;
}

Result<ImageInfo> probe_vmlinux(int fd, std::string_view head, std::uint64_t file_size) {
  const ElfHeader header = KTRIAL_TRY(read_elf_header(head));
  const arch::Arch* arch = arch::of_elf(header.machine);
  if (arch == nullptr) return other_arch(machine_name(header.machine));
  if (header.type != ET_EXEC && header.type != ET_DYN)
    return usage_error("an ELF object, not a linked kernel", "name the vmlinux or bzImage");
  bool pvh = false;
  std::optional<std::string> release;
  for (const ElfSegment& segment : KTRIAL_TRY(read_segments(header, head))) {
    if (segment.type != PT_LOAD && segment.type != PT_NOTE) continue;
    if (segment.offset > file_size || segment.file_size > file_size - segment.offset)
      return truncated(segment.offset + segment.file_size, file_size);
    const std::string bytes = KTRIAL_TRY(
        read_range(fd, segment.offset, std::min<std::uint64_t>(segment.file_size, kMaxSegment)));
    if (segment.type == PT_LOAD && !release) release = release_in(bytes);
    if (segment.type != PT_NOTE) continue;
    for (const ElfNote& note : read_notes(bytes))
      pvh |= note.name == "Xen" && note.type == kXenPhys32Entry;
  }
  if (!release)
    return usage_error("an ELF program, not a kernel: there is no \"Linux version\" in it",
                       "name the vmlinux or bzImage");
  if (!pvh && arch->elf_needs_pvh)
    return usage_error("vmlinux without a PVH entry, which QEMU needs",
                       "use " + arch->image_path + ", or build with CONFIG_PVH=y");
  return ImageInfo{*release, arch};
}

Result<ImageInfo> probe_open_image(int fd) {
  struct stat info{};
  if (::fstat(fd, &info) != 0) return fail_errno("stat", errno);
  if (S_ISDIR(info.st_mode)) return usage_error("a directory, not a kernel image");
  if (!S_ISREG(info.st_mode)) return usage_error("not a regular file");
  if (info.st_size == 0) return usage_error("empty file", "copy or build the kernel again");
  const auto size = static_cast<std::uint64_t>(info.st_size);
  const std::string head = KTRIAL_TRY(read_range(fd, 0, std::min<std::uint64_t>(size, kMaxHead)));
  if (is_elf(head)) return probe_vmlinux(fd, head, size);
  if (auto arch = foreign_image(head)) return other_arch(*arch);
  if (!has_setup_header(head)) return not_a_kernel(head);
  const SetupHeader header = KTRIAL_TRY(parse_setup_header(head, size));
  const arch::Arch* arch = arch::of_image(arch::ImageKind::setup_header);
  if (arch == nullptr || !header.is_64bit) return other_arch("i386");
  return ImageInfo{header.release, arch};
}

}  // namespace

Result<ImageInfo> probe_image(const fs::path& path) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) {
    const bool absent = errno == ENOENT || errno == ENOTDIR;
    Error error = system_error(path.string(), errno, ErrorKind::usage);
    error.hint = absent ? "check the path; deb:PACKAGE names a Debian package instead"
                        : "make the file readable for this user";
    return std::unexpected(std::move(error));
  }
  auto info = probe_open_image(fd.get());
  if (!info) return std::unexpected(std::move(info).error().in(path.string()));
  return info;
}

}  // namespace ktrial::kernel
