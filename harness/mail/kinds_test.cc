// Kinds of reports as they come, made up: what each says, and nothing that it does not say.
// KTRIAL_UPDATE_GOLDENS=1 writes the goldens anew; read the difference.
#include <gtest/gtest.h>
#include <test_paths.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "harness/mail/understand.h"

namespace ktrial::mail {
namespace {
namespace fs = std::filesystem;

std::string bytes_of(const fs::path& file) {
  std::ostringstream out;
  out << std::ifstream(file, std::ios::binary).rdbuf();
  return out.str();
}

std::string told(const fs::path& file) {
  Reader reader;
  reader.begin(file.filename().string());
  reader.feed(bytes_of(file));
  std::string out;
  for (const Fact& fact : reader.finish().facts)
    out += fact.field + "\t" + fact.value + "\t" + std::to_string(fact.line) + "\n";
  return out;
}

TEST(KindsTest, SayWhatTheySayAndNoMore) {
  const fs::path folder = fs::path(KTRIAL_SOURCE_DIR) / "harness/mail/testdata/kinds";
  int kinds = 0;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == ".expected") continue;
    ++kinds;
    const fs::path golden = fs::path(entry.path()).replace_extension(".expected");
    const std::string got = told(entry.path());
    if (std::getenv("KTRIAL_UPDATE_GOLDENS") != nullptr)
      std::ofstream(golden, std::ios::binary) << got;
    else
      EXPECT_EQ(got, bytes_of(golden)) << entry.path().filename();
  }
  EXPECT_GE(kinds, 14);
}

}  // namespace
}  // namespace ktrial::mail
