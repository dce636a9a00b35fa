// A kernel image that lies on a file system of other hosts' (NFS, ...), as a cluster's shared
// folder is: trials on this host boot a copy in its own cache, and read the image itself once.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>

#include "harness/base/result.h"

namespace ktrial::kernel {

struct Nearby {
  std::filesystem::path copy;
  std::string sha256;  // of its bytes
};

// True of a folder where other hosts write, too.
using Elsewhere = std::function<bool(const std::filesystem::path& folder)>;
bool is_elsewhere(const std::filesystem::path& folder);

// CACHE/images/KEY/ holds the copy and its hash. KEY is a hash of what tells one file from another
// without reading it: place, inode, size and times; so a kernel that is built anew is another one.
// Several processes at once copy once; what is not used for long goes as all of the cache does.
// Nothing where the image is this host's own, where the cache is not, or cannot be written.
std::optional<Nearby> nearby(const std::filesystem::path& cache_dir,
                             const std::filesystem::path& image, std::stop_token stop,
                             const Elsewhere& elsewhere = is_elsewhere);

}  // namespace ktrial::kernel
