// Where modules for a kernel are built: its build tree, the `build` link beside
// its modules, or Debian's header packages, unpacked below CACHE/headers:
//
//   headers/<release>_<version>/   usr/src and usr/lib of linux-headers-RELEASE,
//                                  its -common and its linux-kbuild package; libc/:
//                                  the libc6 of a newer Debian, if kbuild needs it
//
// Nothing is installed on this machine.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "harness/base/result.h"
#include "harness/kernel/kernel.h"

namespace ktrial::kernel {

// What `make -C` takes to build a module for this kernel. ErrorKind::environment
// when there is none: the message says where was looked.
Result<std::filesystem::path> find_build_directory(const Kernel& kernel,
                                                   const ResolveOptions& options);

// The packages of a Depends field that a module build needs: linux-headers-*
// and linux-kbuild-*, with the version that "(= V)" asks for, else empty.
struct HeaderDependency {
  std::string name, version;
  bool operator==(const HeaderDependency&) const = default;
};
std::vector<HeaderDependency> header_dependencies(std::string_view depends);

// The Makefile of Debian's linux-headers-RELEASE includes another one below /usr/src,
// and since 7.1 names its own folder there. The same text with both sought beside the
// folder it lies in.
std::string relocate_headers_makefile(std::string_view makefile);

}  // namespace ktrial::kernel
