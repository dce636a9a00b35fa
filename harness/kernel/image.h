// What a kernel image file is, read from its own header.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "harness/arch/arch.h"
#include "harness/base/result.h"

namespace ktrial::kernel {

struct ImageInfo {
  std::string release;
  const arch::Arch* arch = nullptr;
};

// Reads headers only (and, of a vmlinux, its loaded segments). Each way in
// which a file is not a bootable kernel is an ErrorKind::usage of its
// own that names the file: missing, a directory, empty, not a kernel,
// truncated, for another architecture, without a PVH entry.
Result<ImageInfo> probe_image(const std::filesystem::path& path);

}  // namespace ktrial::kernel
