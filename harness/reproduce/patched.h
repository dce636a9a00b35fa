// A patch on a commit, as a commit that kernels are built from.
#pragma once

#include <filesystem>
#include <stop_token>
#include <string>

#include "harness/base/result.h"

namespace ktrial::reproduce {

struct Patched {
  std::filesystem::path tree;  // a bare repository of ours that borrows the other's objects
  std::string base, commit;    // hashes
};

// Nothing is written into `tree`. `folder` is kept: builds find what they compiled before.
// ErrorKind::usage: the patch does not apply, with git's words; or the revision means a checkout
// whose changes would silently not be built.
Result<Patched> apply_patch(const std::filesystem::path& tree, const std::string& revision,
                            const std::string& patch, const std::filesystem::path& folder,
                            std::stop_token stop);

}  // namespace ktrial::reproduce
