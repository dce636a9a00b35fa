#include "harness/trial/output_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "harness/base/file.h"

namespace ktrial::trial {
namespace {
namespace fs = std::filesystem;
using testing::HasSubstr;
using wire::FileKind;

class OutputFolderTest : public testing::Test {
 protected:
  OutputFolderTest() : outside_(*TempDir::create()) {
    EXPECT_TRUE(write_file_atomically(outside_.path() / "canary", "mine\n"));
    EXPECT_TRUE(folder_.open(place(), {.bytes = 1000, .files = 100}));
  }
  // Nothing of this test may reach what lies beside the folder.
  ~OutputFolderTest() override {
    EXPECT_EQ(*read_file(outside_.path() / "canary"), "mine\n");
    EXPECT_EQ(std::distance(fs::directory_iterator(outside_.path()), {}), 2);
  }
  fs::path place() const { return outside_.path() / "out"; }
  void send(const std::string& name, const std::string& bytes, FileKind kind = FileKind::file) {
    EXPECT_TRUE(folder_.take(wire::GuestFile{kind, name, bytes}));
  }
  std::string content(const std::string& name) { return read_file(place() / name).value_or("?"); }
  TempDir outside_;
  OutputFolder folder_;
};

TEST_F(OutputFolderTest, FilesArriveInTheirFolders) {
  send("a", "", FileKind::folder);
  send("a/b", "first ");
  send("a/b", "second");
  send("empty", "");
  send("x.sh", "#!", FileKind::program);
  EXPECT_TRUE(folder_.take(wire::FilesEnd{"told"}));
  EXPECT_EQ(content("a/b"), "first second");
  EXPECT_EQ(content("empty"), "");
  struct stat info{};
  EXPECT_EQ(::stat((place() / "x.sh").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777 & ~022u, 0755u);
  EXPECT_EQ(folder_.files(), 4u);
  EXPECT_EQ(folder_.bytes(), 14u);
  EXPECT_EQ(folder_.end()->problem, "told");
  EXPECT_EQ(folder_.trouble(), "");
  EXPECT_FALSE(folder_.take(wire::Log{"not about files"}));
}

TEST_F(OutputFolderTest, HostileNamesLeadNowhere) {
  const std::string outside = outside_.path().string();
  for (const std::string& name :
       {std::string("../canary"), std::string(".."), std::string("."), std::string(""),
        std::string("/"), outside + "/canary", std::string("a/../../canary"), std::string("a//b"),
        std::string("a/"), std::string("a/./b"), std::string("a\0b", 3), std::string("a\nb"),
        std::string("\x1b[2Jb"), std::string(256, 'x'), std::string(5000, '/')}) {
    send(name, "theirs\n");
    EXPECT_FALSE(is_plain_name(name)) << name;
  }
  EXPECT_EQ(folder_.trouble(), "a name that is none was refused");
  EXPECT_EQ(folder_.files(), 0u);
  EXPECT_TRUE(fs::is_empty(place()));
}

// What the user has there, or an earlier trial could have left.
TEST_F(OutputFolderTest, LinksAreNotFollowed) {
  fs::create_symlink(outside_.path(), place() / "folder");
  fs::create_symlink(outside_.path() / "canary", place() / "file");
  send("folder/canary", "theirs\n");
  EXPECT_THAT(folder_.trouble(), HasSubstr("folder/canary"));
  send("folder", "", FileKind::folder);
  send("file", "theirs\n");
  EXPECT_EQ(content("file"), "theirs\n");
  EXPECT_FALSE(fs::is_symlink(place() / "file"));
}

TEST_F(OutputFolderTest, AFileIsWrittenOnceAndNoFolderBecomesOne) {
  send("a", "one");
  send("b", "");
  send("a", "two");
  EXPECT_EQ(content("a"), "one");
  EXPECT_EQ(folder_.trouble(), "a came twice");
  send("a/b", "below a file");
  EXPECT_EQ(content("a"), "one");
}

TEST_F(OutputFolderTest, TheNumberOfFilesIsBounded) {
  for (std::uint64_t i = 0; i < 105; ++i) send(std::to_string(i), "", FileKind::folder);
  EXPECT_EQ(folder_.files(), 100u);
  EXPECT_EQ(folder_.trouble(), "there are more files than are taken");
}

TEST_F(OutputFolderTest, TheNumberOfBytesIsBounded) {
  for (int i = 0; i < 4; ++i) send("large", std::string(300, 'x'));
  send("small", "x");
  EXPECT_EQ(fs::file_size(place() / "large"), 900u);
  EXPECT_EQ(content("small"), "x");
  EXPECT_EQ(folder_.trouble(), "there are more bytes than are taken");
}

TEST_F(OutputFolderTest, NothingIsTakenBeforeItIsOpenOrAfterTheEnd) {
  EXPECT_TRUE(folder_.take(wire::FilesEnd{}));
  send("late", "x");
  EXPECT_FALSE(fs::exists(place() / "late"));
  OutputFolder closed;
  EXPECT_TRUE(closed.take(wire::GuestFile{FileKind::file, "x", "y"}));
  EXPECT_EQ(closed.files(), 0u);
}

}  // namespace
}  // namespace ktrial::trial
