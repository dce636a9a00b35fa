// A spec file (TOML) -> specs. All problems of a file are reported at once, one
// line each: "FILE:LINE: KEY: what is wrong". Format: docs/spec-format.md.
#pragma once

#include <filesystem>
#include <string_view>
#include <vector>

#include "harness/base/result.h"
#include "harness/spec/spec.h"

namespace ktrial::spec {

// One spec, or with a [matrix] one per combination, in a fixed order: the keys
// as ordered in the format's description, the last one varying fastest, values
// as written.
Result<std::vector<TrialSpec>> load(const std::filesystem::path& path);
// The same from memory; `file` only names it in messages.
Result<std::vector<TrialSpec>> parse_spec(std::string_view toml, std::string_view file);

}  // namespace ktrial::spec
