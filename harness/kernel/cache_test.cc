#include "harness/kernel/cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/base/file.h"
#include "harness/kernel/lock.h"
#include "harness/kernel/testing.h"

namespace ktrial::kernel {
namespace {
namespace fs = std::filesystem;
using testing::write;
using Clock = fs::file_time_type::clock;
using std::chrono::hours;

class CacheTest : public ::testing::Test {
 protected:
  fs::path add(const std::string& name, std::size_t bytes, hours age) {
    const fs::path entry = dir->path() / name;
    write(entry / "boot/vmlinuz", std::string(bytes, 'x'));
    mark_used(entry);
    fs::last_write_time(entry / ".used", now - age);
    return entry;
  }
  Result<TempDir> dir = TempDir::create();
  const fs::file_time_type now = Clock::now();
};

TEST_F(CacheTest, WhatWasUsedLongestAgoGoesFirst) {
  const fs::path old = add("deb/old_1", 1 << 20, hours(48));
  const fs::path middle = add("headers/middle", 1 << 20, hours(24));
  const fs::path young = add("build/young", 1 << 20, hours(2));
  ASSERT_EQ(cache_entries(dir->path()).size(), 3u);
  EXPECT_EQ(cache_entries(dir->path()).front().path, young);
  EXPECT_TRUE(trim_cache(dir->path(), 64 << 20, now).empty());
  const auto removed = trim_cache(dir->path(), 5 << 19, now);
  ASSERT_EQ(removed.size(), 1u);
  EXPECT_EQ(removed[0].path, old);
  EXPECT_FALSE(fs::exists(old));
  EXPECT_TRUE(fs::exists(middle));
}

TEST_F(CacheTest, WhatIsInUseStays) {
  const fs::path used = add("deb/used_1", 1 << 20, hours(48));
  mark_used(used);
  const fs::path locked = add("deb/locked_1", 1 << 20, hours(48));
  const auto lock = FileLock::try_acquire(locked.string() + ".lock");
  ASSERT_TRUE(lock);
  EXPECT_TRUE(trim_cache(dir->path(), 0, now).empty());
  EXPECT_TRUE(fs::exists(used));
  EXPECT_TRUE(fs::exists(locked));
}

TEST_F(CacheTest, AnEntryIsThereWholeOrNotAtAll) {
  const fs::path old = add("deb/old_1", 70 << 20, hours(48));
  const fs::path entry = dir->path() / "deb/new_1";
  ::setenv("KTRIAL_CACHE_SIZE", "64M", 1);
  const auto broken = make_entry(entry, [](const fs::path& folder) -> Status {
    write(folder / "half", "x");
    return fail(ErrorKind::environment, "the disk is full");
  });
  EXPECT_FALSE(broken);
  EXPECT_FALSE(fs::exists(entry) || fs::exists(entry.string() + ".tmp"));
  EXPECT_TRUE(fs::exists(old)) << "nothing was added";
  const auto made = make_entry(entry, [](const fs::path& folder) -> Status {
    write(folder / "whole", "x");
    return {};
  });
  ::unsetenv("KTRIAL_CACHE_SIZE");
  EXPECT_TRUE(made);
  EXPECT_TRUE(fs::exists(entry / "whole"));
  EXPECT_FALSE(fs::exists(old)) << "the cache grew above its bound";
}

TEST_F(CacheTest, HalfMadeEntriesAndPlansAreNone) {
  add("deb/x.tmp", 1 << 20, hours(48));
  add("deb/plan", 1 << 20, hours(48));
  add("build/log", 1 << 20, hours(48));
  EXPECT_TRUE(cache_entries(dir->path()).empty());
  EXPECT_TRUE(cache_entries(dir->path() / "none").empty());
  add("build/objects/key", 1 << 20, hours(48));
  EXPECT_EQ(cache_entries(dir->path()).size(), 1u) << "the objects of one tree, not their folder";
}

TEST(CacheBoundTest, IsOfTheEnvironment) {
  ::setenv("KTRIAL_CACHE_SIZE", "2G", 1);
  EXPECT_EQ(cache_bound(), 2ull << 30);
  ::setenv("KTRIAL_CACHE_SIZE", "plenty", 1);
  const auto wrong = cache_bound();
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().kind, ErrorKind::usage);
  EXPECT_THAT(wrong.error().message, ::testing::HasSubstr("KTRIAL_CACHE_SIZE"));
  ::unsetenv("KTRIAL_CACHE_SIZE");
  EXPECT_EQ(cache_bound(), 20ull << 30);
}

}  // namespace
}  // namespace ktrial::kernel
