#include "harness/cli/log_reader.h"

#include <archive.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "harness/kernel/testing.h"

namespace ktrial::cli {
namespace {

std::filesystem::path scratch(const std::string& name) {
  return std::filesystem::path(testing::TempDir()) / name;
}

// All of it, and whether it ended well.
std::pair<std::string, bool> read_all(const std::filesystem::path& path) {
  auto log = LogReader::open(path.string());
  if (!log) return {"", false};
  std::string out;
  for (;;) {
    const auto bytes = log->read();
    if (!bytes) return {out, false};
    if (bytes->empty()) return {out, true};
    out += *bytes;
  }
}

std::string long_text() {
  std::string text;
  for (int i = 0; i < 200000; ++i) text += "line " + std::to_string(i * 7919) + "\n";
  return text;
}

TEST(LogReaderTest, EveryCompressionGivesTheSameText) {
  const std::string text = long_text();
  const auto path = scratch("log-reader.packed");
  for (const auto filter :
       {archive_write_add_filter_gzip, archive_write_add_filter_xz, archive_write_add_filter_zstd,
        archive_write_add_filter_bzip2, archive_write_add_filter_none}) {
    kernel::testing::write_compressed(path, text, filter);
    EXPECT_EQ(read_all(path), std::pair(text, true));
  }
}

TEST(LogReaderTest, OfACutFileTheBeginningIsRead) {
  const auto path = scratch("log-reader.cut");
  kernel::testing::write_compressed(path, long_text(), archive_write_add_filter_gzip);
  std::filesystem::resize_file(path, std::filesystem::file_size(path) / 2);
  const auto [text, well] = read_all(path);
  EXPECT_FALSE(well);
  EXPECT_GT(text.size(), 1000U);
  EXPECT_TRUE(long_text().starts_with(text));
}

TEST(LogReaderTest, ShortAndEmptyFilesAreRead) {
  const auto path = scratch("log-reader.short");
  for (const std::string text : {"", "B", "\x1f", "BZ", "(no log)", "\xfd"}) {
    std::ofstream(path, std::ios::binary) << text;
    EXPECT_EQ(read_all(path), std::pair(text, true));
  }
}

TEST(LogReaderTest, AGrowingFileGoesOn) {
  const auto path = scratch("log-reader.grows");
  std::ofstream out(path, std::ios::binary);
  out << "one\n" << std::flush;
  auto log = LogReader::open(path.string(), true);
  ASSERT_TRUE(log.has_value());
  EXPECT_EQ(log->read().value_or(""), "one\n");
  EXPECT_FALSE(log->wait(std::chrono::milliseconds(0)));
  out << "two\n" << std::flush;
  EXPECT_TRUE(log->wait(std::chrono::milliseconds(0)));
  EXPECT_EQ(log->read().value_or(""), "two\n");
}

TEST(LogReaderTest, AMissingFileIsNamed) {
  const auto log = LogReader::open("/nonexistent/console.log");
  ASSERT_FALSE(log.has_value());
  EXPECT_NE(log.error().message.find("/nonexistent/console.log"), std::string::npos);
}

}  // namespace
}  // namespace ktrial::cli
