// Symbols of one kernel build, kept between trials: expanding them anew costs
// more than all else together. Addresses of the image are stored as if KASLR had
// not moved it, so one file serves every boot of the build.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "harness/base/result.h"
#include "harness/introspect/symbols.h"

namespace ktrial::introspect {

// Pure halves. `unpack` gives nothing unless `bytes` is whole and unharmed.
std::string pack_symbols(std::span<const Symbol> symbols, std::uint64_t kernel_offset);
std::optional<std::vector<Symbol>> unpack_symbols(std::string_view bytes,
                                                  std::uint64_t kernel_offset);

// The file of a build in `folder`, BUILD-ID.symbols. A missing or broken file is nothing.
std::optional<std::vector<Symbol>> load_symbols(const std::filesystem::path& folder,
                                                const std::string& build_id,
                                                std::uint64_t kernel_offset);
// Creates `folder` if need be; the file appears in one step.
Status save_symbols(const std::filesystem::path& folder, const std::string& build_id,
                    std::span<const Symbol> symbols, std::uint64_t kernel_offset);

}  // namespace ktrial::introspect
