// What a deterministic trial's vCPUs came through, as a file of its folder: paths.txt. Two trials'
// files tell what only one of them ran, and where their ways part.
#pragma once

#include <string>
#include <string_view>

#include "harness/base/result.h"
#include "harness/vm/vm.h"

namespace ktrial::trial {

inline constexpr char kPathsFile[] = "paths.txt";

std::string to_text(const vm::Paths& paths);
// ErrorKind::protocol names the line.
Result<vm::Paths> parse_paths(std::string_view text);

}  // namespace ktrial::trial
