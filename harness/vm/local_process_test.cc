#include "harness/vm/local_process.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <initializer_list>

#include "harness/base/file.h"

namespace ktrial::vm {
namespace {
namespace fs = std::filesystem;

constexpr char kUuid[] = "b6d5a5a0-0000-4000-8000-000000000001";
constexpr pid_t kThread = 4000000;

// A /proc in which thread kThread belongs to this process, which runs `command_line`.
class LocalProcessTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(dir);
    fs::create_directories(proc() / std::to_string(kThread));
    fs::create_directories(proc() / std::to_string(::getpid()));
    ASSERT_TRUE(write_file_atomically(
        proc() / std::to_string(kThread) / "status",
        "Name:\tCPU 0/TCG\nTgid:\t" + std::to_string(::getpid()) + "\nNgid:\t0\n"));
  }
  std::optional<LocalProcess> find(const std::string& command_line) {
    EXPECT_TRUE(
        write_file_atomically(proc() / std::to_string(::getpid()) / "cmdline", command_line));
    return LocalProcess::find(kThread, kUuid, proc());
  }
  fs::path proc() const { return dir->path(); }
  Result<TempDir> dir = TempDir::create();
};

std::string words(std::initializer_list<std::string> list) {
  std::string out;
  for (const std::string& word : list) out += word + '\0';
  return out;
}

TEST_F(LocalProcessTest, IsKnownByTheDomainsUuid) {
  const auto found = find(words({"qemu", "-uuid", kUuid, "-display", "none"}));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->pid(), ::getpid());
}

TEST_F(LocalProcessTest, AnyOtherProcessIsNotOurs) {
  EXPECT_FALSE(find(words({"qemu", "-uuid", "b6d5a5a0-0000-4000-8000-000000000002"})));
  EXPECT_FALSE(find(words({"grep", std::string("-uuid ") + kUuid})));
  EXPECT_FALSE(find(""));
  EXPECT_FALSE(LocalProcess::find(kThread + 1, kUuid, proc()));
}

TEST_F(LocalProcessTest, NoMemoryIsAnError) {
  const auto found = find(words({"qemu", "-uuid", kUuid}));
  ASSERT_TRUE(found);
  EXPECT_FALSE(found->ram(4096));
}

}  // namespace
}  // namespace ktrial::vm
