#include "harness/base/file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cerrno>

#include "harness/base/host_files.h"

namespace ktrial {
namespace {
namespace fs = std::filesystem;

TEST(TempDirTest, RemovesItsContentOnDestruction) {
  fs::path path;
  {
    auto dir = TempDir::create();
    ASSERT_TRUE(dir) << dir.error().message;
    path = dir->path();
    struct stat info{};
    ASSERT_EQ(stat(path.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0700u);
    ASSERT_TRUE(write_file_atomically(path / "x", "content"));
    EXPECT_EQ(*read_file(path / "x"), "content");
  }
  EXPECT_FALSE(fs::exists(path));
}

TEST(FileTest, ErrorsNameThePathAndLeaveNothingBehind) {
  auto missing = read_file("/nonexistent/file");
  ASSERT_FALSE(missing);
  EXPECT_NE(missing.error().message.find("/nonexistent/file"), std::string::npos);

  auto dir = TempDir::create();
  ASSERT_TRUE(dir);
  fs::create_directory(dir->path() / "taken");
  EXPECT_FALSE(write_file_atomically(dir->path() / "taken", "x"));
  EXPECT_EQ(std::distance(fs::directory_iterator(dir->path()), {}), 1);
}

TEST(FileTest, ReplacesAlsoBesideUs) {
  auto dir = TempDir::create();
  ASSERT_TRUE(dir);
  const fs::path before = fs::current_path();
  fs::current_path(dir->path());
  auto first = write_file_atomically("x", "old");
  auto second = write_file_atomically("x", "new");
  auto content = read_file("x");
  fs::current_path(before);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(content, "new");
  EXPECT_EQ(std::distance(fs::directory_iterator(dir->path()), {}), 1) << "only x";
}

TEST(FileTest, AFullDiskIsKnownByPathAndErrno) {
  auto full = open_file("/dev/full", O_WRONLY);
  ASSERT_TRUE(full) << full.error().message;
  auto written = write_all(full->get(), "x", "/dev/full");
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().errno_value, ENOSPC);
  EXPECT_NE(written.error().message.find("/dev/full"), std::string::npos);
}

TEST(FileTest, ACopyReplacesWhatWasThere) {
  auto dir = TempDir::create();
  const std::string bytes(3 << 20, 'b');
  const fs::path from = dir->path() / "from", to = dir->path() / "to";
  ASSERT_TRUE(write_file_atomically(from, bytes));
  fs::permissions(from, fs::perms::owner_all);
  for (const bool there : {false, true}) {
    if (there) {
      ASSERT_TRUE(write_file_atomically(to, bytes + "longer"));
    }
    const auto copied = replace_with_copy(from, to);
    ASSERT_TRUE(copied) << copied.error().message;
    EXPECT_EQ(read_file(to), bytes);
    if (!there) {
      EXPECT_EQ(fs::status(to).permissions(), fs::perms::owner_all);
    }
  }
}

TEST(FileTest, ACopyThatHasNoRoomSaysSoAndLeavesNothing) {
  auto dir = TempDir::create();
  const fs::path from = dir->path() / "from", to = dir->path() / "to";
  ASSERT_TRUE(write_file_atomically(from, "x"));
  fs::create_symlink("/dev/full", to);
  const auto copied = replace_with_copy(from, to);
  ASSERT_FALSE(copied);
  EXPECT_EQ(copied.error().errno_value, ENOSPC) << copied.error().message;
  EXPECT_FALSE(fs::is_symlink(to));
  const auto none = replace_with_copy(dir->path() / "none", to);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().errno_value, ENOENT);
}

TEST(FileTest, ReadRefusesWhatIsTooLarge) {
  auto dir = TempDir::create();
  ASSERT_TRUE(write_file_atomically(dir->path() / "x", "12345"));
  EXPECT_FALSE(read_file(dir->path() / "x", 4));
  EXPECT_TRUE(read_file(dir->path() / "x", 5));
}

TEST(HostFilesTest, FileSystemsOfSeveralHostsAreTold) {
  EXPECT_TRUE(is_own_file_system(0xef53)) << "ext4";
  EXPECT_TRUE(is_own_file_system(0x794c7630)) << "overlayfs";
  EXPECT_FALSE(is_own_file_system(0x6969)) << "NFS";
  EXPECT_FALSE(is_own_file_system(static_cast<int>(0xff534d42))) << "CIFS, as a signed word";
  EXPECT_TRUE(is_own_folder("/proc"));
  EXPECT_FALSE(is_own_folder("/nonexistent"));
}

}  // namespace
}  // namespace ktrial
