// Every source file is as .clang-format wants it.
#include <gmock/gmock.h>
#include <test_paths.h>

#include <set>

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
  EXPECT_THAT(badly_formatted(sources()), IsEmpty()) << "run: clang-format-19 -i FILE";
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
