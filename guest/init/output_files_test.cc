#include "guest/init/output_files.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>

namespace ktrial::init {
namespace {
namespace fs = std::filesystem;

class OutputFilesTest : public testing::Test {
 protected:
  OutputFilesTest() {
    std::string path = testing::TempDir() + "output-XXXXXX";
    folder_ = mkdtemp(path.data());
  }
  ~OutputFilesTest() override { fs::remove_all(folder_); }
  void write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name) << text;
  }
  // All that comes: names with "/" for folders, "*" for programs; the rest is in `end_`.
  std::map<std::string, std::string> read(wire::ReadFiles most = {1 << 30, 1000}) {
    OutputFiles files(most, folder_);
    std::map<std::string, std::string> out;
    while (auto piece = files.next()) {
      if (auto* end = std::get_if<wire::FilesEnd>(&*piece)) {
        end_ = end->problem;
        EXPECT_FALSE(files.next());
        break;
      }
      const auto& file = std::get<wire::GuestFile>(*piece);
      const char* mark = file.kind == wire::FileKind::folder    ? "/"
                         : file.kind == wire::FileKind::program ? "*"
                                                                : "";
      out[file.name + mark] += file.bytes;
    }
    return out;
  }
  fs::path folder_;
  std::string end_ = "none";
};

TEST_F(OutputFilesTest, FoldersAndFilesWhole) {
  fs::create_directory(folder_ / "a");
  const std::string large(100'000, 'x');
  write("a/large", large);
  write("empty", "");
  write("run.sh", "#!");
  chmod((folder_ / "run.sh").c_str(), 0755);
  EXPECT_EQ(read(), (std::map<std::string, std::string>{
                        {"a/", ""}, {"a/large", large}, {"empty", ""}, {"run.sh*", "#!"}}));
  EXPECT_EQ(end_, "");
}

TEST_F(OutputFilesTest, LinksAndPipesAreCountedNotFollowed) {
  fs::create_symlink("/etc/passwd", folder_ / "link");
  fs::create_symlink("/etc", folder_ / "folder");
  mkfifo((folder_ / "pipe").c_str(), 0644);
  EXPECT_TRUE(read().empty());
  EXPECT_EQ(end_, "3 links, devices, pipes or sockets were left out");
}

TEST_F(OutputFilesTest, NoMoreThanAskedFor) {
  write("a", "0123456789");
  write("b", "0123456789");
  EXPECT_EQ(read({15, 100})["b"], "01234");
  EXPECT_EQ(end_, "there was more than comes back");
  EXPECT_EQ(read({20, 100})["b"], "0123456789");
  EXPECT_EQ(end_, "");
  EXPECT_EQ(read({1000, 1}).size(), 1u);
  EXPECT_EQ(end_, "there was more than comes back");
}

TEST_F(OutputFilesTest, NoFolderIsNoFiles) {
  fs::remove_all(folder_);
  EXPECT_TRUE(read().empty());
  EXPECT_EQ(end_, "");
}

}  // namespace
}  // namespace ktrial::init
