// The guest's whole file system: a newc cpio archive
// (Documentation/driver-api/early-userspace/buffer-format.rst), written with
// libarchive. Uncompressed: at the size of ours (a few MiB) gzip and zstd made
// no measurable difference to boot under TCG, and cost time to write.
// Reproducible: the same entries give the same bytes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "harness/base/result.h"
#include "harness/guest_image/modules.h"

namespace ktrial::guest_image {

struct HostFile {
  std::filesystem::path path;  // read when the archive is written; links are followed
  bool operator==(const HostFile&) const = default;
};
// One of ours. A package has it compressed, as PATH.zst.
struct GuestProgram {
  std::filesystem::path path;
  bool operator==(const GuestProgram&) const = default;
};
struct Bytes {
  std::string bytes;
  bool operator==(const Bytes&) const = default;
};
struct Symlink {
  std::string target;
  bool operator==(const Symlink&) const = default;
};
struct Directory {
  bool operator==(const Directory&) const = default;
};
struct CharDevice {
  std::uint32_t major = 0, minor = 0;
  bool operator==(const CharDevice&) const = default;
};
struct Entry {
  std::string path;  // in the guest: absolute, without "." or ".." parts
  std::variant<Bytes, HostFile, GuestProgram, Symlink, Directory, CharDevice> content;
  unsigned mode = 0644;  // permission bits; owner is always root
  bool operator==(const Entry&) const = default;
};

inline constexpr char kModulesDir[] = "/modules";
inline constexpr char kModulesOrder[] = "/modules/order";  // one path a line, in load order
inline constexpr char kWorkloadsDir[] = "/workloads";

// /init.
Entry init_entry(const std::filesystem::path& program);
// /workloads/NAME.
Entry workload_entry(const std::string& name, const std::filesystem::path& program);
// Whether it can be read, compressed or not.
bool is_there(const GuestProgram& program);
// /modules/NN-name.ko and /modules/order; the order file is there even when no
// module is.
std::vector<Entry> module_entries(std::span<const Module> modules);

// Parent directories (0755), /dev/console and /dev/null are added. An entry
// given twice with equal content is one entry; with another content, or below
// something that is no directory, it is an ErrorKind::internal. The file
// appears in one step.
Status write_initramfs(std::vector<Entry> entries, const std::filesystem::path& output);

}  // namespace ktrial::guest_image
