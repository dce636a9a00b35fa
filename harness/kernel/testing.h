// Synthetic kernels, modules and packages for this folder's tests.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

struct archive;  // libarchive's

namespace ktrial::kernel::testing {

// The smallest file that passes for a bzImage of this release: setup code of
// four sectors, `payload` bytes (a multiple of 16) behind it.
std::string make_bzimage(std::string_view release, std::size_t payload = 4096);

struct ElfSpec {
  unsigned short type = 0;      // ET_*
  unsigned short machine = 62;  // EM_X86_64
  std::string modinfo;          // content of .modinfo; empty: no such section
  std::vector<std::pair<unsigned, std::string>> segments;  // PT_*, content
};
std::string make_elf(const ElfSpec& spec);

// A module with "depends=" and vermagic; `extra` are further "key=value".
std::string make_module(std::string_view name, std::string_view depends, std::string_view release,
                        const std::vector<std::string>& extra = {});

// PT_LOAD with a banner and, when `pvh`, the Xen note.
std::string make_vmlinux(std::string_view release, bool pvh);

// A Debian package file with these regular files in its data member.
void make_deb(const std::filesystem::path& file, std::string_view control,
              const std::vector<std::pair<std::string, std::string>>& files);

void write(const std::filesystem::path& path, std::string_view bytes);

// As gzip, xz or zstd would: `filter` is archive_write_add_filter_gzip and so on.
void write_compressed(const std::filesystem::path& path, std::string_view bytes,
                      int (*filter)(archive*));

}  // namespace ktrial::kernel::testing
