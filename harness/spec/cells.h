// The keys of a spec and its [matrix], for spec files and plans. Internal to this folder.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "harness/spec/spec.h"
#include "harness/spec/toml_reader.h"

namespace ktrial::spec {

struct Cells {
  TrialSpec base;                // without the matrix
  std::vector<TrialSpec> specs;  // one, or one a combination
};

// Reads all of a spec's keys out of `root`, which is the table `parsed`. `more` names an axis that
// is no key of a spec: a list of strings, found in the specs' axes only.
Cells read_cells(Table& root, const toml::table& parsed, Problems& problems,
                 const char* more = nullptr);
// The keys that `table` has, over those of `spec`; those that a [matrix] may have.
void read_over(Table& table, TrialSpec& spec);
// A value as a cell's name has it.
std::string axis_text(const toml::node& node);

// Bounded; a file that cannot be read is ErrorKind::usage.
Result<std::string> read_spec_file(const std::filesystem::path& path, const char* what);

}  // namespace ktrial::spec
