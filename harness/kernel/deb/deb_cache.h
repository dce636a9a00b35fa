// Kernels from Debian packages, kept unpacked below CACHE/deb:
//
//   deb/<package>_<version>/   boot/ and lib/modules/ of one package; appears
//                              in one step (rename), never changes again
//   deb/file-<sha256>/         the same of a deb:FILE
//   deb/*.lock, deb/*.tmp      one process at a time fills a folder
//   deb/plan/<reference>       which packages a reference led to, and for
//                              which state of the package lists that is true
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "harness/kernel/kernel.h"

namespace ktrial::kernel {

// What a package reference stands for once it is on disk.
struct UnpackedPackages {
  std::string package;  // the one that holds the image
  std::string version;
  std::vector<std::filesystem::path> roots;  // one per package: image and modules may be apart
};

Result<UnpackedPackages> fetch_package(const DebPackageReference& reference,
                                       const ResolveOptions& options);
Result<UnpackedPackages> fetch_deb_file(const DebFileReference& reference,
                                        const ResolveOptions& options);

}  // namespace ktrial::kernel
