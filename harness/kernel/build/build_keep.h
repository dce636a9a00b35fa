// What is kept of a build, see build.h.
#pragma once

#include <filesystem>

#include "harness/base/result.h"

namespace ktrial::kernel {

// Fills `to`, which must not exist, from the sources and the objects of a finished
// build. Source files are hard links where the file system can: git replaces files,
// it never writes into one.
Status keep_build(const std::filesystem::path& source, const std::filesystem::path& objects,
                  const std::filesystem::path& to);

}  // namespace ktrial::kernel
