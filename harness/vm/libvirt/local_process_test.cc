#include "harness/vm/libvirt/local_process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
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

// Whether this process has a memfd of that size open.
bool holds_memfd(std::uint64_t bytes) {
  for (const auto& entry : fs::directory_iterator("/proc/self/fd")) {
    struct stat info{};
    std::error_code ignored;
    if (fs::read_symlink(entry.path(), ignored).string().starts_with("/memfd:") &&
        ::stat(entry.path().c_str(), &info) == 0 &&
        static_cast<std::uint64_t>(info.st_size) == bytes)
      return true;
  }
  return false;
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

// This process is the machine; it "ends" by closing its memory.
TEST_F(LocalProcessTest, MemoryThatIsHeldOutlivesItsOwner) {
  Fd memory(::memfd_create("ram", MFD_CLOEXEC));
  ASSERT_TRUE(memory);
  constexpr std::uint64_t kBytes = (3u << 20) + 4096;  // no other memfd's size
  ASSERT_EQ(::ftruncate(memory.get(), kBytes), 0);
  ASSERT_EQ(::pwrite(memory.get(), "words", 5, 4096), 5);
  auto found = find(words({"qemu", "-uuid", kUuid}));
  ASSERT_TRUE(found);
  fs::create_directory_symlink("/proc/self/fd", proc() / std::to_string(::getpid()) / "fd");
  found->hold_ram(kBytes);
  memory.reset();
  char read[5] = {};
  {
    const auto ram = found->ram();
    ASSERT_TRUE(ram) << ram.error().message;
    ASSERT_EQ(::pread(ram->get(), read, sizeof read, 4096), 5);
    EXPECT_EQ(std::string(read, 5), "words");
    EXPECT_LT(::pwrite(ram->get(), "x", 1, 0), 0) << "it is evidence";
  }
  EXPECT_TRUE(holds_memfd(kBytes));
  found.reset();
  EXPECT_FALSE(holds_memfd(kBytes)) << "a machine's memory is freed with it";
}

TEST_F(LocalProcessTest, NoMemoryIsAnErrorThatSaysWhereItWasLookedFor) {
  auto found = find(words({"qemu", "-uuid", kUuid}));
  ASSERT_TRUE(found);
  EXPECT_FALSE(found->ram());
  found->hold_ram(4096);
  const auto ram = found->ram();
  ASSERT_FALSE(ram);
  EXPECT_NE(ram.error().message.find(std::to_string(::getpid()) + "/fd"), std::string::npos)
      << ram.error().message;
}

}  // namespace
}  // namespace ktrial::vm
