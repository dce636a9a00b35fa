#include "harness/dev/lint_files.h"

#include <algorithm>
#include <fstream>
#include <set>

namespace ktrial::dev {
namespace fs = std::filesystem;

bool is_code(const fs::path& path) {
  static const std::set<std::string> kEndings = {".cc", ".h", ".c", ".cpp", ".hpp", ".S"};
  return kEndings.contains(path.extension());
}

bool below_testdata(const std::string& path) {
  return path.find("/testdata/") != std::string::npos || path.starts_with("testdata/");
}

// Every regular file of the tree by its path below root; no build output, no .git.
std::vector<std::string> files_of(const fs::path& root) {
  std::vector<std::string> out;
  std::error_code error;
  for (fs::recursive_directory_iterator it(root, error), end; !error && it != end;
       it.increment(error)) {
    const std::string name = it->path().filename();
    const bool skip = name == ".git" || name == ".cache" || (name == "build" && it.depth() == 0);
    if (it->is_directory() && skip) it.disable_recursion_pending();
    if (it->is_regular_file() && !it->is_symlink() && !skip)
      out.push_back(fs::relative(it->path(), root).string());
  }
  std::ranges::sort(out);
  return out;
}

std::vector<std::string> lines_of(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::vector<std::string> out;
  for (std::string line; std::getline(in, line);) out.push_back(std::move(line));
  return out;
}

std::string at(const std::string& file, std::size_t line) {
  return file + ":" + std::to_string(line + 1) + ": ";
}

bool is_test(const fs::path& path) {
  const std::string name = path.filename(), whole = path.string();
  return name.starts_with("fake_") || name.starts_with("testing.") || name.starts_with("test_") ||
         name.find("_testing.") != name.npos || name.ends_with("_test.cc") ||
         name.ends_with("_fuzz.cc") || whole.starts_with("harness/e2e/") ||
         whole.starts_with("harness/dev/");
}

namespace {

// Where a literal that begins at `at` ends (behind its quote), and whether it is text for people.
struct Literal {
  std::size_t end;
  bool text;
};

Literal literal_at(const std::string& source, std::size_t at, bool raw) {
  std::size_t begin = at + 1, end;
  if (raw) {  // R"tag( ... )tag"
    const std::size_t open = std::min(source.find('(', at), source.size() - 1);
    const std::string close = ")" + source.substr(at + 1, open - at - 1) + "\"";
    begin = open + 1;
    end = std::min(source.find(close, begin), source.size() - 1);
    const bool text = source.substr(begin, end - begin).find(' ') != std::string::npos;
    return {std::min(end + close.size(), source.size()), text};
  }
  for (end = begin; end < source.size() && source[end] != '"' && source[end] != '\n'; ++end)
    if (source[end] == '\\') ++end;
  end = std::min(end, source.size());
  return {std::min(end + 1, source.size()),
          source.substr(begin, end - begin).find(' ') != std::string::npos};
}

}  // namespace

std::vector<std::string> code_of(const fs::path& path) {
  std::string source;
  for (const std::string& line : lines_of(path)) source += line + "\n";
  std::string kept;
  // What is left out leaves its line breaks.
  const auto leave_out = [&](std::size_t from, std::size_t to) {
    kept += std::string(static_cast<std::size_t>(
                            std::count(source.begin() + static_cast<std::ptrdiff_t>(from),
                                       source.begin() + static_cast<std::ptrdiff_t>(to), '\n')),
                        '\n');
  };
  for (std::size_t i = 0; i < source.size();) {
    if (source.compare(i, 2, "//") == 0 || source.compare(i, 2, "/*") == 0) {
      const bool line = source[i + 1] == '/';
      const std::size_t end =
          line ? source.find('\n', i) : std::min(source.find("*/", i + 2), source.size() - 2) + 2;
      leave_out(i, std::min(end, source.size()));
      i = std::min(end, source.size());
    } else if (source[i] == '"') {
      const Literal literal = literal_at(source, i, i > 0 && source[i - 1] == 'R');
      if (literal.text)
        leave_out(i, literal.end);
      else
        kept += source.substr(i, literal.end - i);
      i = literal.end;
    } else if (source.compare(i, 3, "'\"'") == 0 || source.compare(i, 4, "'\\\"'") == 0) {
      i += source[i + 1] == '\\' ? 4 : 3;
    } else {
      kept += source[i++];
    }
  }
  std::vector<std::string> out(1);
  for (const char c : kept)
    if (c == '\n')
      out.emplace_back();
    else
      out.back() += c;
  return out;
}

}  // namespace ktrial::dev
