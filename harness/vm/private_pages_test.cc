// A process that maps a file privately, seen from outside; and what no machine may be given.
#include "harness/vm/private_pages.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/base/file.h"
#include "harness/vm/qemu/saved_state.h"

namespace ktrial::vm {
namespace {

constexpr std::uint64_t kPage = 4096, kRamBytes = 64 * kPage;

class PrivatePagesTest : public testing::Test {
 protected:
  PrivatePagesTest() : file_(::memfd_create("test", MFD_CLOEXEC)) {
    EXPECT_EQ(::ftruncate(file_.get(), kRamBytes), 0);
    put(1 * kPage, "template");
    put(40 * kPage, "as it was");
    map_ = static_cast<char*>(
        ::mmap(nullptr, kRamBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE, file_.get(), 0));
  }
  ~PrivatePagesTest() override { ::munmap(map_, kRamBytes); }
  void put(std::uint64_t at, const std::string& text) {
    EXPECT_EQ(::pwrite(file_.get(), text.data(), text.size(), static_cast<off_t>(at)),
              static_cast<ssize_t>(text.size()));
  }
  static std::string get(int fd, std::uint64_t at, std::size_t size) {
    std::string out(size, '?');
    EXPECT_EQ(::pread(fd, out.data(), size, static_cast<off_t>(at)), static_cast<ssize_t>(size));
    return out;
  }
  auto pages() { return PrivatePages::open(::getpid(), file_.get(), kRamBytes); }
  Fd file_;
  char* map_ = nullptr;
};

TEST_F(PrivatePagesTest, ShowsWhatWasWrittenAndNothingElse) {
  strcpy(map_ + 5 * kPage + 10, "mine");
  strcpy(map_ + 40 * kPage, "changed!");
  EXPECT_EQ(map_[1 * kPage], 't');  // read only: stays the file's
  const auto own = pages();
  ASSERT_TRUE(own) << own.error().message;
  const auto changed = (*own)->changed();
  ASSERT_TRUE(changed);
  ASSERT_EQ(changed->size(), 2u);
  EXPECT_EQ((*changed)[0].begin, 5 * kPage);
  EXPECT_EQ((*changed)[1].end, 41 * kPage);
  // Across pages: the file's, then the process's.
  std::string text = get(file_.get(), 4 * kPage, 2 * kPage);
  ASSERT_TRUE((*own)->lay_over(4 * kPage, std::as_writable_bytes(std::span(text))));
  EXPECT_STREQ(text.c_str() + kPage + 10, "mine");
  EXPECT_EQ(text[0], '\0');
}

TEST_F(PrivatePagesTest, ACopyIsWholeAndLeavesTheFileAlone) {
  strcpy(map_ + 40 * kPage, "changed!");
  const auto own = pages();
  ASSERT_TRUE(own);
  const auto copy = copy_of_ram(file_.get(), kRamBytes, **own);
  ASSERT_TRUE(copy) << copy.error().message;
  EXPECT_EQ(get(copy->get(), 40 * kPage, 8), "changed!");
  EXPECT_EQ(get(copy->get(), 1 * kPage, 8), "template");
  EXPECT_EQ(get(file_.get(), 40 * kPage, 9), "as it was");
  struct stat info{};
  ASSERT_EQ(::fstat(copy->get(), &info), 0);
  EXPECT_EQ(static_cast<std::uint64_t>(info.st_size), kRamBytes);
  EXPECT_LE(info.st_blocks, 4 * 8) << "sparse, as the file is";
}

// A vhost-user device over RAM that is not shared is there, and its connections time out: nobody
// says why. So such a machine has no RAM but a shared one of its own.
TEST_F(PrivatePagesTest, AMachineThatIsToBePluggedIntoSharesItsOwnRam) {
  const auto dir = TempDir::create();
  ASSERT_TRUE(dir);
  const auto ram = dir->path() / "ram";
  ASSERT_TRUE(write_file_atomically(ram, std::string(1 << 20, 'r')));
  VmConfig config{.memory_mib = 1};
  config.resume = ResumeFrom{.state = {ram, dir->path() / "devices"}};
  const auto alone = ram_for(config);
  ASSERT_TRUE(alone);
  EXPECT_FALSE(alone->shared) << "it writes to pages of its own, never to the template";
  config.resume->plug = VhostUserVsockDevice{"/socket"};
  const auto plugged = ram_for(config);
  ASSERT_TRUE(plugged);
  EXPECT_TRUE(plugged->shared);
  ASSERT_EQ(::pwrite(plugged->fd.get(), "x", 1, 0), 1);
  EXPECT_EQ(read_file(ram)->front(), 'r') << "a copy, not the template";
}

}  // namespace
}  // namespace ktrial::vm
