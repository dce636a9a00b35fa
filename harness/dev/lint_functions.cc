#include <cctype>
#include <map>
#include <set>

#include "harness/dev/lint.h"
#include "harness/dev/lint_files.h"

namespace ktrial::dev {
namespace {

// Lines [first, last], as clang-format lays a function out: its end stands alone, as far in as its
// beginning, and all between is further in.
struct Block {
  std::size_t first, last;
};

std::vector<Block> functions_of(const std::vector<std::string>& lines) {
  std::vector<Block> out;
  std::map<std::size_t, std::size_t> begun;  // the last line of each depth that can begin one
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const std::size_t depth = lines[i].find_first_not_of(' ');
    if (depth == std::string::npos) continue;
    if (const char c = lines[i][depth];
        std::isalpha(static_cast<unsigned char>(c)) || c == '_' || c == '~' || c == '[') {
      begun[depth] = i;
    } else if (lines[i].substr(depth) != "}") {
      continue;  // the preprocessor's, or the end of something
    } else if (const auto first = begun.extract(depth); first && depth <= 2) {
      out.push_back({first.mapped(), i});
    }
  }
  return out;
}

}  // namespace

Findings check_functions(const std::filesystem::path& root, std::size_t limit,
                         const std::map<std::string, std::string>& allowed) {
  Findings out;
  std::set<std::string> unneeded;
  for (const auto& [file, reason] : allowed) unneeded.insert(file);
  for (const std::string& file : files_of(root)) {
    if (!is_code(file) || below_testdata(file) || is_test(file)) continue;
    const auto lines = code_of(root / file);
    for (const Block& block : functions_of(lines)) {
      const std::size_t length = block.last - block.first + 1;
      if (length <= limit) continue;
      unneeded.erase(file);
      if (!allowed.contains(file))
        out.push_back(at(file, block.first) + std::to_string(length) + " lines, more than " +
                      std::to_string(limit) + "; name its steps");
    }
  }
  for (const std::string& file : unneeded)
    out.push_back(file + ": may have a long function, but has none (or is not there)");
  return out;
}

}  // namespace ktrial::dev
