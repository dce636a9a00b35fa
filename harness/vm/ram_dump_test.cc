#include "harness/vm/ram_dump.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "harness/base/file.h"

namespace ktrial::vm {
namespace {
namespace fs = std::filesystem;
using nlohmann::json;

class RamDumpTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(::setenv("TMPDIR", dir->path().c_str(), 1), 0); }
  void TearDown() override { ::unsetenv("TMPDIR"); }
  // A VMM that writes sparse files of the size asked for, less `short_by`.
  Monitor vmm(std::uint64_t short_by = 0) {
    return [this, short_by](const std::string& command, const json& arguments,
                            std::chrono::milliseconds) -> Result<json> {
      EXPECT_EQ(command, "pmemsave");
      asked.push_back({arguments["val"], arguments["size"]});
      auto fd = open_file(arguments["filename"].get<std::string>(), O_WRONLY);
      if (!fd) return std::unexpected(fd.error());
      EXPECT_EQ(::ftruncate(fd->get(), static_cast<off_t>(asked.back().second - short_by)), 0);
      EXPECT_EQ(::pwrite(fd->get(), asked.size() == 1 ? "low" : "top", 3, 0), 3);
      return json::object();
    };
  }
  std::string at(const GuestRam& ram, std::uint64_t offset) {
    char text[3] = {};
    EXPECT_EQ(::pread(ram.fd.get(), text, 3, static_cast<off_t>(offset)), 3);
    return std::string(text, 3);
  }
  Result<TempDir> dir = TempDir::create();
  std::vector<std::pair<std::uint64_t, std::uint64_t>> asked;
};

TEST_F(RamDumpTest, IsOneFileInTheOrderOfTheRam) {
  auto ram = dump_ram(vmm(), 3ull << 30, *arch::native().machine("q35"), {});
  ASSERT_TRUE(ram) << ram.error().message;
  EXPECT_EQ(asked, (std::vector<std::pair<std::uint64_t, std::uint64_t>>{
                       {0, 0x80000000}, {1ull << 32, 0x40000000}}));
  EXPECT_EQ(at(*ram, 0), "low");
  EXPECT_EQ(at(*ram, 0x80000000), "top");
  EXPECT_TRUE(fs::is_empty(dir->path())) << "no name is left behind";
}

TEST_F(RamDumpTest, ACutFileIsAnErrorWithAHint) {
  auto ram = dump_ram(vmm(1), 64 << 20, *arch::native().machine("q35"), {});
  ASSERT_FALSE(ram);
  EXPECT_NE(ram.error().hint.find(dir->path().string()), std::string::npos);
  EXPECT_TRUE(fs::is_empty(dir->path()));
}

TEST_F(RamDumpTest, NoFolderIsAnError) {
  ASSERT_EQ(::setenv("TMPDIR", (dir->path() / "none").c_str(), 1), 0);
  EXPECT_FALSE(dump_ram(vmm(), 64 << 20, *arch::native().machine("q35"), {}));
}

}  // namespace
}  // namespace ktrial::vm
