// Every source file is as .clang-format wants it, but for those that were not when this test came:
// unformatted.txt names them, and only ever gets shorter.
#include <gmock/gmock.h>

#include <algorithm>
#include <cstdlib>
#include <set>

#include <test_paths.h>

#include "harness/base/child.h"
#include "harness/base/command.h"
#include "harness/base/file.h"
#include "harness/base/text.h"

namespace ktrial::dev {
namespace {
namespace fs = std::filesystem;
using ::testing::IsEmpty;
using Files = std::set<std::string>;

const fs::path kRoot = KTRIAL_SOURCE_DIR;

Files sources() {
  Files out;
  for (const char* folder : {"guest", "harness", "results", "workloads"})
    for (const auto& entry : fs::recursive_directory_iterator(kRoot / folder))
      if (const auto kind = entry.path().extension(); kind == ".cc" || kind == ".h" || kind == ".c")
        out.insert(fs::relative(entry.path(), kRoot));
  return out;
}

// Those of `files` that clang-format would change, by its complaints: "FILE:LINE:COLUMN: ...".
Files badly_formatted(const Files& files) {
  std::vector<std::string> command = {"clang-format-19", "--dry-run"};
  command.insert(command.end(), files.begin(), files.end());
  const auto output = run_command(command, {.directory = kRoot});
  EXPECT_TRUE(output && output->ok()) << (output ? output->err : output.error().message);
  Files out;
  const std::string complaints = output ? output->err : "";
  for (std::string_view rest = complaints; const auto line = take_line(rest);)
    if (const std::string file(line->substr(0, line->find(':'))); files.contains(file))
      out.insert(file);
  return out;
}

TEST(FormatTest, SourcesAreAsClangFormatWantsThem) {
  if (!find_program("clang-format-19")) GTEST_SKIP() << "clang-format-19 is not installed";
  const fs::path list = kRoot / "harness/dev/unformatted.txt";
  const Files bad = badly_formatted(sources());
  if (std::getenv("KTRIAL_UPDATE_GOLDENS") != nullptr) {
    std::string names;
    for (const std::string& name : bad) names += name + "\n";
    ASSERT_TRUE(write_file_atomically(list, names));
  }
  const auto text = read_file(list);
  ASSERT_TRUE(text) << text.error().message;
  Files exempt;
  for (const std::string_view name : split(*text, '\n')) exempt.emplace(name);
  Files unexpected, mended;
  std::ranges::set_difference(bad, exempt, std::inserter(unexpected, unexpected.end()));
  std::ranges::set_difference(exempt, bad, std::inserter(mended, mended.end()));
  EXPECT_THAT(unexpected, IsEmpty()) << "run: clang-format-19 -i FILE";
  EXPECT_THAT(mended, IsEmpty()) << "take these out of harness/dev/unformatted.txt";
}

// A check that finds nothing proves nothing.
TEST(FormatTest, ABadlyFormattedFileIsFound) {
  if (!find_program("clang-format-19")) GTEST_SKIP() << "clang-format-19 is not installed";
  const auto dir = TempDir::create();
  ASSERT_TRUE(dir);
  const fs::path bad = dir->path() / "bad.cc", good = dir->path() / "good.cc";
  ASSERT_TRUE(write_file_atomically(bad, "int  f( ){return 1 ;}\n"));
  ASSERT_TRUE(write_file_atomically(good, "int f() { return 1; }\n"));
  EXPECT_EQ(badly_formatted({bad, good}), Files{bad});
}

}  // namespace
}  // namespace ktrial::dev
