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
// linux-binary-...; no metapackages, -dbg or -unsigned ones) and match `pattern`
// (glob(7)), each version once, in the order of `dpkg --compare-versions`. When a
// release comes as image and as binary package, either matches for both, and the
// image package stands for both. Offline: what the cache holds.
// Nothing that matches: ErrorKind::usage.
Result<std::vector<PackagedKernel>> list_packages(const std::string& pattern,
                                                  const ResolveOptions& options);

// Whether `name` is such a package.
bool is_kernel_package(std::string_view name);

// Sorts by the version of Debian packages, oldest first.
Status sort_by_version(std::vector<PackagedKernel>& kernels, std::stop_token stop);

}  // namespace ktrial::kernel
