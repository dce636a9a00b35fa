// Which kernels Debian's archive has: all packages of a pattern, oldest first.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "harness/kernel/kernel.h"

namespace ktrial::kernel {

struct PackagedKernel {
  std::string package;
  std::string version;
  std::uint64_t size = 0;  // of the .deb, bytes; 0: unknown, it is only in the cache
  bool cached = false;     // unpacked in our cache

  std::string reference() const { return "deb:" + package + "=" + version; }
};

// Packages that hold a kernel of one release (linux-image-6.1.0-48-cloud-amd64,
// linux-binary-..., -unsigned; no metapackages or -dbg ones) and match `pattern` (glob(7)), each
// version once, in the order of `dpkg --compare-versions`. When a release comes in several
// packages, any of them or the name of its image matches for all, and one stands for all: image
// before binary, signed before unsigned. Offline: what the cache holds.
// Nothing that matches: ErrorKind::usage.
Result<std::vector<PackagedKernel>> list_packages(const std::string& pattern,
                                                  const ResolveOptions& options);

// The same by the package lists as they are, in no order: asks no mirror, and is quick. Without
// apt: what the cache holds. Nothing that matches: an empty list.
Result<std::vector<PackagedKernel>> known_packages(const std::string& pattern,
                                                   const ResolveOptions& options);

// Whether `name` is such a package.
bool is_kernel_package(std::string_view name);

// Sorts by the version of Debian packages, oldest first.
Status sort_by_version(std::vector<PackagedKernel>& kernels, std::stop_token stop);

}  // namespace ktrial::kernel
