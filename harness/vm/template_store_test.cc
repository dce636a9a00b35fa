// Locks, bound and staleness of kept machines; the machines are files of a few bytes.
#include "harness/vm/template_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "harness/base/file.h"

namespace ktrial::vm {
namespace {
namespace fs = std::filesystem;
using Lease = TemplateStore::Lease;
using Making = TemplateStore::Making;
using Busy = TemplateStore::Busy;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::uint64_t kRam = 1 << 20;  // bytes

class TemplateStoreTest : public testing::Test {
 protected:
  TemplateStoreTest() {
    fs::create_directory(root_);
    folder_ = root_ / "templates";
  }
  ~TemplateStoreTest() override { fs::remove_all(root_); }
  Result<TemplateStore> open() { return TemplateStore::open({.folder = folder_, .room = room_}); }
  static void fill(const Making& making, std::uint64_t bytes = kRam) {
    for (const char* name : {"ram", "devices", "console"})
      std::ofstream(making.folder / name) << std::string(bytes / 3, 'x');
  }
  // Made and committed; the lease is given back.
  void make(TemplateStore& store, const std::string& key, std::uint64_t bytes = kRam) {
    auto entry = store.take(key);
    ASSERT_TRUE(entry) << entry.error().message;
    ASSERT_TRUE(std::holds_alternative<Making>(*entry)) << entry->index();
    ASSERT_TRUE(store.prepare(std::get<Making>(*entry), bytes));
    fill(std::get<Making>(*entry), bytes);
    ASSERT_TRUE(store.commit(std::move(std::get<Making>(*entry))));
  }
  std::vector<std::string> names() const {
    std::vector<std::string> out;
    for (const auto& entry : fs::directory_iterator(folder_))
      out.push_back(entry.path().filename());
    std::ranges::sort(out);
    return out;
  }
  void age(const std::string& key, std::chrono::hours by) {
    fs::last_write_time(folder_ / key / "sizes", fs::file_time_type::clock::now() - by);
  }
  const fs::path root_ = "/dev/shm/ktrial-store-test-" + std::to_string(::getpid());
  fs::path folder_;
  std::uint64_t room_ = 64 << 20;
};

TEST_F(TemplateStoreTest, OneMakesItOthersWaitThenAllShareIt) {
  auto one = open(), two = open();
  ASSERT_TRUE(one && two);
  auto made = one->take("key");
  ASSERT_TRUE(made && std::holds_alternative<Making>(*made));
  auto waits = two->take("key");
  ASSERT_TRUE(waits);
  EXPECT_TRUE(std::holds_alternative<Busy>(*waits));
  ASSERT_TRUE(one->prepare(std::get<Making>(*made), kRam));
  fill(std::get<Making>(*made));
  const auto lease = one->commit(std::move(std::get<Making>(*made)));
  ASSERT_TRUE(lease) << lease.error().message;
  auto shares = two->take("key");
  ASSERT_TRUE(shares && std::holds_alternative<Lease>(*shares));
  EXPECT_EQ(std::get<Lease>(*shares).state().ram, folder_ / "key" / "ram");
}

TEST_F(TemplateStoreTest, WhatAMakerLeftThatWasKilledGoes) {
  const pid_t maker = ::fork();
  if (maker == 0) {
    auto store = open();
    auto entry = store->take("key");
    if (!entry || !std::holds_alternative<Making>(*entry)) ::_exit(1);
    if (!store->prepare(std::get<Making>(*entry), kRam)) ::_exit(1);
    std::ofstream(std::get<Making>(*entry).folder / "ram") << std::string(kRam, 'x');
    ::raise(SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(maker, &status, 0), maker);
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_THAT(names(), ElementsAre("key.lock", "key.new"));
  ASSERT_TRUE(open());
  EXPECT_THAT(names(), IsEmpty());
}

// So his janitor can be told of it before it is there.
TEST_F(TemplateStoreTest, WhoShallMakeItHasNoFolderYet) {
  auto store = open();
  ASSERT_TRUE(store);
  auto entry = store->take("key");
  ASSERT_TRUE(entry && std::holds_alternative<Making>(*entry));
  EXPECT_THAT(names(), ElementsAre("key.lock"));
  ASSERT_TRUE(store->prepare(std::get<Making>(*entry), kRam));
  EXPECT_THAT(names(), ElementsAre("key.lock", "key.new"));
}

TEST_F(TemplateStoreTest, AMakerThatGaveUpLeavesNothing) {
  auto store = open();
  ASSERT_TRUE(store);
  auto entry = store->take("key");
  ASSERT_TRUE(entry);
  ASSERT_TRUE(store->prepare(std::get<Making>(*entry), kRam));
  TemplateStore::discard(std::get<Making>(*entry));
  EXPECT_TRUE(fs::is_empty(folder_));
}

TEST_F(TemplateStoreTest, TheLeastUsedMakesRoom) {
  room_ = 4 * kRam;
  auto store = open();
  ASSERT_TRUE(store);
  for (const char* key : {"a", "b"}) make(*store, key);
  age("a", std::chrono::hours(2));
  age("b", std::chrono::hours(3));
  make(*store, "c", 2 * kRam);
  EXPECT_TRUE(fs::exists(folder_ / "a"));
  EXPECT_FALSE(fs::exists(folder_ / "b"));
  EXPECT_LE(store->used(), room_);
}

TEST_F(TemplateStoreTest, WhatIsInUseIsNotRemovedForOthers) {
  room_ = 2 * kRam;
  auto store = open();
  ASSERT_TRUE(store);
  make(*store, "a");
  age("a", std::chrono::hours(100));
  const auto lease = store->take("a");
  ASSERT_TRUE(lease && std::holds_alternative<Lease>(*lease));
  age("a", std::chrono::hours(100));
  ASSERT_TRUE(open());  // sweeps
  EXPECT_TRUE(fs::exists(folder_ / "a" / "ram"));
}

TEST_F(TemplateStoreTest, WhatWasNotUsedForLongIsStale) {
  auto store = open();
  ASSERT_TRUE(store);
  for (const char* key : {"a", "b"}) make(*store, key);
  age("a", std::chrono::hours(25));
  ASSERT_TRUE(open());
  EXPECT_THAT(names(), ElementsAre("b", "b.lock"));
}

TEST_F(TemplateStoreTest, OneThatWasCutShortIsNone) {
  auto store = open();
  ASSERT_TRUE(store);
  make(*store, "a");
  fs::resize_file(folder_ / "a" / "ram", 10);
  auto entry = store->take("a");
  ASSERT_TRUE(entry);
  EXPECT_TRUE(std::holds_alternative<Making>(*entry));
}

TEST_F(TemplateStoreTest, OneThatProvedBadIsGoneAtOnce) {
  auto store = open();
  ASSERT_TRUE(store);
  make(*store, "a");
  const auto lease = store->take("a");
  store->drop("a");
  EXPECT_FALSE(fs::exists(folder_ / "a"));
}

TEST_F(TemplateStoreTest, AMachineThatHasNoRoomIsAnError) {
  room_ = kRam;
  auto store = open();
  ASSERT_TRUE(store);
  const auto entry = store->take("a");
  ASSERT_TRUE(entry && std::holds_alternative<Making>(*entry));
  const auto prepared = store->prepare(std::get<Making>(*entry), 2 * kRam);
  ASSERT_FALSE(prepared);
  EXPECT_THAT(prepared.error().message, HasSubstr("no room"));
}

TEST_F(TemplateStoreTest, AFolderOfOthersIsRefused) {
  fs::create_directory(folder_);
  fs::permissions(folder_, fs::perms::all);
  const auto store = open();
  ASSERT_FALSE(store);
  EXPECT_THAT(store.error().message, HasSubstr("yours alone"));
}

TEST_F(TemplateStoreTest, AFolderThatIsOnADiskIsRefused) {
  const auto store = TemplateStore::open({.folder = "/proc"});
  EXPECT_FALSE(store);
}

}  // namespace
}  // namespace ktrial::vm
