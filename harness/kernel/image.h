// What a kernel image file is, read from its own header.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "harness/base/result.h"

namespace ktrial::kernel {

enum class ImageFormat {
  bzimage,  // arch/x86/boot/bzImage, vmlinuz: Documentation/arch/x86/boot.rst
  elf_pvh,  // vmlinux with a PVH entry note: Documentation/arch/x86 and
            // xen/include/public/elfnote.h
};
std::string_view name(ImageFormat format);

struct ImageInfo {
  ImageFormat format = ImageFormat::bzimage;
  std::string release;
  std::string arch;
};

// Reads headers only (and, of a vmlinux, its loaded segments). Each way in
// which a file is not a bootable x86_64 kernel is an ErrorKind::usage of its
// own that names the file: missing, a directory, empty, not a kernel,
// truncated, for another architecture, without a PVH entry.
Result<ImageInfo> probe_image(const std::filesystem::path& path);

// The bzImage case of it: `head` is the file's beginning (at least the setup
// code, up to 64 KiB), `file_size` in bytes.
Result<ImageInfo> parse_bzimage(std::string_view head, std::uint64_t file_size);

}  // namespace ktrial::kernel
