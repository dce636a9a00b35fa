#include "harness/spec/load.h"

#include "harness/base/file.h"
#include "harness/spec/cells.h"

namespace ktrial::spec {
namespace {

constexpr std::size_t kMaxFile = 1 << 20;  // bytes

}  // namespace

Result<std::vector<TrialSpec>> parse_spec(std::string_view toml, std::string_view file) {
  Problems problems(file);
  auto parsed = parse_toml(toml, file, problems);
  if (!parsed) return std::unexpected(problems.error());
  Table root(*parsed, "", problems);
  Cells cells = read_cells(root, *parsed, problems);
  root.finish();
  if (!problems.empty()) return std::unexpected(problems.error());
  return std::move(cells.specs);
}

Result<std::string> read_spec_file(const std::filesystem::path& path, const char* what) {
  auto text = read_file(path, kMaxFile);
  if (text) return text;
  Error error = std::move(text).error();
  error.kind = ErrorKind::usage;
  return std::unexpected(std::move(error).in(what));
}

Result<std::vector<TrialSpec>> load(const std::filesystem::path& path) {
  return parse_spec(KTRIAL_TRY(read_spec_file(path, "spec file")), path.string());
}

}  // namespace ktrial::spec
