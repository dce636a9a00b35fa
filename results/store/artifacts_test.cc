#include "results/store/artifacts.h"

#include <gtest/gtest.h>

#include <sstream>

#include "harness/base/file.h"
#include "results/store/json.h"
#include "results/store/test_dir.h"

namespace ktrial::results {
namespace {
using namespace std::chrono_literals;

std::string slurp(const std::filesystem::path& path) { return read_file(path).value_or("?"); }

TEST(ConsoleLogTest, KeepsRawBytesAndTheirTimes) {
  TestDir dir;
  auto log = ConsoleLog::create(dir.path());
  ASSERT_TRUE(log) << log.error().message;
  ASSERT_TRUE(log->append(std::string_view("a\0\xff\n", 4), 5ms));
  ASSERT_TRUE(log->append("same ms", 5ms + 10us));
  ASSERT_TRUE(log->append("later", 9ms));
  ASSERT_TRUE(log->finish());
  EXPECT_EQ(slurp(dir.path() / "console.log"), std::string("a\0\xff\nsame mslater", 16));
  EXPECT_EQ(slurp(dir.path() / "console.times"), "0 5000000\n11 9000000\n");
}

// Any length, any chunking: first bytes, mark with the exact count, last bytes.
TEST(ConsoleLogTest, FloodKeepsHeadAndTail) {
  constexpr std::uint64_t kHead = 100, kTail = 64;
  for (std::size_t total : {0, 99, 100, 101, 163, 164, 165, 200, 228, 229, 1000, 5003}) {
    for (std::size_t chunk : {1, 7, 64, 65, 1000}) {
      TestDir dir;
      std::string all;
      for (std::size_t i = 0; i < total; ++i) all += static_cast<char>('a' + i % 26);
      auto log = ConsoleLog::create(dir.path(), kHead, kTail);
      ASSERT_TRUE(log);
      for (std::size_t at = 0; at < total; at += chunk)
        ASSERT_TRUE(log->append(std::string_view(all).substr(at, chunk), at * 1ms));
      const std::uint64_t dropped = log->bytes_dropped();
      EXPECT_EQ(dropped, total > kHead + kTail ? total - kHead - kTail : 0);
      ASSERT_TRUE(log->finish());
      std::string want = all;
      std::string mark;
      if (dropped > 0) {
        mark = std::string(ConsoleLog::kDroppedMark) + std::to_string(dropped) +
               " bytes of console output here **\n";
        want = all.substr(0, kHead) + mark + all.substr(total - kTail);
      }
      const std::string got = slurp(dir.path() / "console.log");
      ASSERT_EQ(got, want) << total << " in chunks of " << chunk;
      EXPECT_EQ(dir.names(), (std::vector<std::string>{"console.log", "console.times"}));

      // Each time line names the byte that came then.
      std::istringstream lines(slurp(dir.path() / "console.times"));
      std::uint64_t offset, ns, last = 0;
      bool first = true;
      while (lines >> offset >> ns) {
        EXPECT_TRUE(first || offset > last);
        first = false;
        last = offset;
        const bool in_tail = dropped > 0 && offset >= kHead;
        const std::uint64_t source =
            in_tail ? offset - kHead - mark.size() + (total - kTail) : offset;
        EXPECT_GE(source, ns / 1'000'000) << "the chunk had not come yet";
        EXPECT_LT(source, ns / 1'000'000 + chunk);
      }
    }
  }
}

TEST(ConsoleLogTest, AKilledWriterLeavesHeadAndTailBehind) {
  TestDir dir;
  auto log = ConsoleLog::create(dir.path(), 4, 4);
  ASSERT_TRUE(log->append("0123456789ab", 0ms));
  EXPECT_EQ(slurp(dir.path() / "console.log"), "0123");
  EXPECT_EQ(slurp(dir.path() / "console.tail.0") + slurp(dir.path() / "console.tail.1"),
            "456789ab");
}

TEST(ConsoleLogTest, AFullDiskIsAnEnvironmentError) {
  TestDir dir;
  std::filesystem::create_symlink("/dev/full", dir.path() / "console.log");
  auto log = ConsoleLog::create(dir.path());
  ASSERT_TRUE(log) << log.error().message;
  auto status = log->append("x", 0ms);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().kind, ErrorKind::environment);
  EXPECT_NE(status.error().message.find("console.log"), std::string::npos);
  EXPECT_NE(status.error().hint.find("--results"), std::string::npos);
}

TEST(EventLogTest, OneValidLinePerEventWhateverTheGuestSays) {
  TestDir dir;
  auto log = EventLog::create(dir.path());
  ASSERT_TRUE(log);
  ASSERT_TRUE(log->add(1500ms, "hello",
                       {{"release", std::string("6.1\n\xff\"")},
                        {"cpus", std::int64_t{4}},
                        {"ok", true},
                        {"load", 0.5}}));
  ASSERT_TRUE(log->add(2s, "exit"));
  std::istringstream lines(slurp(dir.path() / "events.jsonl"));
  std::string line;
  ASSERT_TRUE(std::getline(lines, line));
  auto json = parse_json(line);
  ASSERT_TRUE(json) << line;
  EXPECT_EQ((*json)["t"], 1.5);
  EXPECT_EQ((*json)["type"], "hello");
  EXPECT_EQ((*json)["cpus"], 4);
  EXPECT_EQ((*json)["release"], "6.1\n\xEF\xBF\xBD\"");
  ASSERT_TRUE(std::getline(lines, line));
  EXPECT_FALSE(std::getline(lines, line));
}

TEST(ArtifactTest, ScriptsAreExecutable) {
  TestDir dir;
  ASSERT_TRUE(write_artifact(dir.path() / "qemu.sh", "#!/bin/sh\n", true));
  auto mode = std::filesystem::status(dir.path() / "qemu.sh").permissions();
  EXPECT_NE(mode & std::filesystem::perms::owner_exec, std::filesystem::perms::none);
}

}  // namespace
}  // namespace ktrial::results
