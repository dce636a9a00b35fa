// Which modules a guest needs, and in which order they load.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "harness/base/result.h"
#include "harness/kernel/kernel.h"

namespace ktrial::guest_image {

struct Module {
  std::string name;            // normalised: '_', never '-'
  std::filesystem::path path;  // on the host, maybe compressed
  std::string contents;        // the uncompressed .ko
};

struct Closure {
  std::vector<Module> modules;       // dependencies first: load in this order
  std::vector<std::string> builtin;  // wanted names that modules.builtin lists
  std::vector<std::string> absent;   // wanted names that this kernel surely does not have
  std::vector<std::string> missing;  // wanted names that may be built in or not: the kernel came
                                     // without the files that would tell
};

// Everything that must be loaded for `wanted` ('-' and '_' are the same),
// following the modules' own `depends=` (Debian's packages carry no
// modules.dep) and, where the file exists, `softdep=pre:`. A wanted name
// without a file is no error: the three lists tell the caller. A broken
// dependency is (missing file, cycle, corrupt file, a module of another
// kernel): ErrorKind::usage, naming the module and what needs it.
Result<Closure> closure(const kernel::Kernel& kernel, std::span<const std::string> wanted);

}  // namespace ktrial::guest_image
