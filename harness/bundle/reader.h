// Reads a bundle that may be a stranger's. Strict: what is not as a bundle of ours is written is
// refused, with the reason, and what is taken has the size and the digest that the manifest says.
#pragma once

#include <filesystem>
#include <functional>
#include <string_view>

#include "harness/bundle/manifest.h"

namespace ktrial::bundle {

// The next bytes of a member; each member that is taken is told at least once, in order.
using Take = std::function<Status(const Member& member, std::string_view bytes)>;

// Up to the last member of `stage`; what follows is not looked at. ErrorKind::usage for a bundle
// that is none, damaged or hostile. Memory is bounded by a block, and by the manifest's limit.
Result<Manifest> read_bundle(std::string_view bytes, Stage stage, const Take& take);
Result<Manifest> read_bundle_file(const std::filesystem::path& file, Stage stage, const Take& take);

// Into `folder`, which exists and is empty. Files are made, never replaced, and nothing is written
// anywhere else.
Result<Manifest> unpack_bundle(const std::filesystem::path& file, Stage stage,
                               const std::filesystem::path& folder);

}  // namespace ktrial::bundle
