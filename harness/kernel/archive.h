// What is read with libarchive: compressed files and Debian packages.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "harness/base/result.h"

namespace ktrial::kernel {

// The content of a file that may be compressed with xz, zstd or gzip, told by
// its magic bytes. More than `limit` bytes are an error.
Result<std::string> read_maybe_compressed(const std::filesystem::path& path,
                                          std::size_t limit = 256u << 20);

// A Debian package (deb(5)): its control stanza, and each regular file of its
// data member for which `wanted` says so, written below `directory`. Links,
// devices and files with a hostile path are not unpacked.
struct DebContent {
  std::string control;
  std::size_t files = 0;  // written
};
Result<DebContent> unpack_deb(const std::filesystem::path& deb,
                              const std::filesystem::path& directory,
                              const std::function<bool(std::string_view path)>& wanted);

}  // namespace ktrial::kernel
