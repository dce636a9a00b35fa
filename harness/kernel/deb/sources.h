// A kernel's own sources below its folder kernel/, for modules that distributions do not build: of
// the tree that it was built from, or of Debian's linux-source-X.Y of the same version, kept as
//
//   sources/linux-source-X.Y_VERSION/kernel/...   *.c and *.h alone
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "harness/base/result.h"
#include "harness/kernel/kernel.h"

namespace ktrial::kernel {

// The folder that holds kernel/torture.c and its like. `build_directory`: where the kernel's
// modules are built. ErrorKind::environment when there is none: the message says where was looked.
Result<std::filesystem::path> find_sources(const Kernel& kernel,
                                           const std::filesystem::path& build_directory,
                                           const ResolveOptions& options);

// "linux-source-6.12" of "6.12.117+deb12-cloud-amd64"; empty: that is no release.
std::string source_package(std::string_view release);

}  // namespace ktrial::kernel
