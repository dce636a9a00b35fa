#include "harness/guest_image/initramfs.h"

#include <archive.h>
#include <archive_entry.h>
#include <gmock/gmock.h>
#include <sys/sysmacros.h>

#include <map>

#include "harness/base/file.h"
#include "harness/kernel/testing.h"

namespace ktrial::guest_image {
namespace {
namespace fs = std::filesystem;
using ::testing::HasSubstr;

struct Seen {
  unsigned mode = 0;
  std::string content;  // or the link's target
  dev_t device = 0;
};

// Reads an archive back, in its own order.
std::vector<std::pair<std::string, Seen>> list(const fs::path& path) {
  std::vector<std::pair<std::string, Seen>> result;
  archive* reader = archive_read_new();
  archive_read_support_format_cpio(reader);
  EXPECT_EQ(archive_read_open_filename(reader, path.c_str(), 4096), ARCHIVE_OK);
  archive_entry* entry = nullptr;
  while (archive_read_next_header(reader, &entry) == ARCHIVE_OK) {
    Seen seen;
    seen.mode = archive_entry_mode(entry);
    seen.device = archive_entry_rdev(entry);
    EXPECT_EQ(archive_entry_uid(entry), 0);
    EXPECT_EQ(archive_entry_gid(entry), 0);
    EXPECT_EQ(archive_entry_mtime(entry), 0);
    if (const char* target = archive_entry_symlink(entry)) seen.content = target;
    char buffer[4096];
    la_ssize_t n = 0;
    while ((n = archive_read_data(reader, buffer, sizeof buffer)) > 0)
      seen.content.append(buffer, static_cast<std::size_t>(n));
    result.emplace_back(archive_entry_pathname(entry), seen);
  }
  archive_read_free(reader);
  return result;
}

class InitramfsTest : public ::testing::Test {
 protected:
  fs::path out() const { return dir_->path() / "out.cpio"; }
  Result<TempDir> dir_ = TempDir::create();
};

TEST_F(InitramfsTest, HoldsWhatAGuestNeeds) {
  kernel::testing::write(dir_->path() / "init", "init program");
  const std::vector<Module> modules = {{"virtio_ring", "", "ring"}, {"virtio", "", "virtio"}};
  std::vector<Entry> entries = module_entries(modules);
  entries.push_back(init_entry(dir_->path() / "init"));
  entries.push_back(workload_entry("smoke", dir_->path() / "init"));
  entries.push_back({"/bin", Symlink{"workloads"}, 0777});
  auto written = write_initramfs(entries, out());
  ASSERT_TRUE(written) << written.error().message;

  const auto ordered = list(out());
  const std::map<std::string, Seen> seen(ordered.begin(), ordered.end());
  EXPECT_EQ(seen.at("init").content, "init program");
  EXPECT_EQ(seen.at("init").mode, S_IFREG | 0755u);
  EXPECT_EQ(seen.at("modules/00-virtio_ring.ko").content, "ring");
  EXPECT_EQ(seen.at("modules/order").content,
            "/modules/00-virtio_ring.ko\n/modules/01-virtio.ko\n");
  EXPECT_EQ(seen.at("workloads").mode, S_IFDIR | 0755u);
  EXPECT_EQ(seen.at("bin").content, "workloads");
  EXPECT_EQ(seen.at("dev/console").mode, S_IFCHR | 0600u);
  EXPECT_EQ(seen.at("dev/console").device, makedev(5, 1));
  EXPECT_EQ(seen.at("dev/null").device, makedev(1, 3));
  // The kernel unpacks in order: a folder must come before what is in it.
  std::map<std::string, bool> made;
  for (const auto& [path, entry] : ordered) {
    const std::string parent = fs::path(path).parent_path();
    EXPECT_TRUE(parent.empty() || made[parent]) << path;
    made[path] = true;
  }
}

// As a package has them: nothing but `init.zst` is there.
TEST_F(InitramfsTest, ACompressedProgramOfOursIsUnpackedAndAUsersFileIsNot) {
  const std::string program(100'000, 'k');
  const fs::path packed = dir_->path() / "init.zst";
  kernel::testing::write_compressed(packed, program, archive_write_add_filter_zstd);
  EXPECT_TRUE(is_there({dir_->path() / "init"}));
  EXPECT_FALSE(is_there({dir_->path() / "none"}));
  auto written = write_initramfs(
      {init_entry(dir_->path() / "init"), {"/input", HostFile{packed}, 0644}}, out());
  ASSERT_TRUE(written) << written.error().message;
  const auto ordered = list(out());
  const std::map<std::string, Seen> seen(ordered.begin(), ordered.end());
  EXPECT_EQ(seen.at("init").content, program);
  EXPECT_EQ(seen.at("init").mode, S_IFREG | 0755u);
  EXPECT_EQ(seen.at("input").content, *read_file(packed));
}

TEST_F(InitramfsTest, SameInputInAnyOrderGivesTheSameBytes) {
  kernel::testing::write(dir_->path() / "init", "init program");
  std::vector<Entry> entries = {
      init_entry(dir_->path() / "init"), {"/a/b", Bytes{"1"}, 0644}, {"/a/c", Bytes{"2"}, 0600}};
  ASSERT_TRUE(write_initramfs(entries, out()));
  const std::string first = *read_file(out());
  std::ranges::reverse(entries);
  fs::last_write_time(dir_->path() / "init", fs::file_time_type::clock::now());
  fs::permissions(dir_->path() / "init", fs::perms::owner_read);
  entries.push_back(entries[0]);  // equal duplicates are one entry
  ASSERT_TRUE(write_initramfs(entries, out()));
  EXPECT_EQ(*read_file(out()), first);
}

TEST_F(InitramfsTest, ConflictsAndMissingFilesLeaveNothingBehind) {
  const std::vector<std::vector<Entry>> bad = {
      {{"/a", Bytes{"1"}}, {"/a", Bytes{"2"}}},
      {{"/a", Bytes{"1"}}, {"/a/b", Bytes{"2"}}},
      {{"/a", Symlink{"b"}}, {"/a/b", Bytes{"2"}}},
      {{"relative", Bytes{"1"}}},
      {{"/a/../b", Bytes{"1"}}},
      {{"/a/", Bytes{"1"}}},
      {init_entry(dir_->path() / "none")},
  };
  for (const auto& entries : bad) EXPECT_FALSE(write_initramfs(entries, out()));
  EXPECT_TRUE(fs::is_empty(dir_->path()));
  auto missing = write_initramfs({init_entry(dir_->path() / "none")}, out());
  EXPECT_THAT(missing.error().message, HasSubstr("none"));
}

}  // namespace
}  // namespace ktrial::guest_image
