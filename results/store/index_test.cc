#include "results/store/index.h"

#include <gtest/gtest.h>

#include <fstream>

#include "harness/base/file.h"
#include "results/store/test_dir.h"
#include "results/store/test_store.h"

namespace ktrial::results {
namespace {
namespace fs = std::filesystem;

class IndexTest : public testing::Test {
 protected:
  void SetUp() override {
    Store store = open(dir_.path());
    for (int i = 0; i < 5; ++i) {
      auto run = store.begin_run(spec(1), {});
      ASSERT_TRUE(run->add_trial(trial(0, i % 2 ? Outcome::fail : Outcome::pass)));
      ASSERT_TRUE(run->finish());
    }
    before_ = *store.list();
    ASSERT_EQ(before_.size(), 5u);
  }
  fs::path index() const { return dir_.path() / "index.db"; }
  void remove_index() {
    for (const char* suffix : {"", "-wal", "-shm"}) fs::remove(index().string() + suffix);
  }
  void expect_same() { EXPECT_EQ(*open(dir_.path()).list(), before_); }

  TestDir dir_;
  std::vector<RunSummary> before_;
};

TEST_F(IndexTest, IsRebuiltWhenMissing) {
  remove_index();
  expect_same();
  EXPECT_TRUE(fs::exists(index()));
}

TEST_F(IndexTest, IsRebuiltWhenCorrupt) {
  const std::string good = *read_file(index());
  for (int shape = 0; shape < 5; ++shape) {
    remove_index();
    std::string bad = good;
    if (shape == 0) bad = "not a database at all, by any measure";
    if (shape == 1) bad.resize(bad.size() / 2);
    if (shape == 2) std::fill(bad.begin() + 4096, bad.end(), '\xa5');
    if (shape == 3) std::fill(bad.begin() + 16, bad.begin() + 100, '\0');
    if (shape == 4) bad.clear();
    std::ofstream(index(), std::ios::binary) << bad;
    SCOPED_TRACE(shape);
    expect_same();
  }
}

TEST_F(IndexTest, IsRebuiltWhenCorruptedUnderUs) {
  Store store = open(dir_.path());
  for (const char* suffix : {"", "-wal"}) {
    std::error_code error;
    auto size = fs::file_size(index().string() + suffix, error);
    if (error || size == 0) continue;
    std::ofstream out(index().string() + suffix, std::ios::binary | std::ios::in);
    out << std::string(size, 'x');
  }
  EXPECT_EQ(*store.list(), before_);
}

TEST_F(IndexTest, IsNotNeeded) {
  remove_index();
  fs::create_directory(index());  // a folder in its place: SQLite cannot open it
  std::ofstream(index() / "x") << "x";
  expect_same();
  auto run = open(dir_.path()).begin_run(spec(1), {});
  EXPECT_TRUE(run);
}

TEST_F(IndexTest, FollowsFoldersThatComeAndGo) {
  fs::remove_all(dir_.path() / "runs" / before_.front().id);
  before_.erase(before_.begin());
  expect_same();
  Store store = open(dir_.path());
  EXPECT_EQ(store.list(2)->size(), 2u);
  EXPECT_EQ(store.list(2)->at(0), before_.at(0));
}

}  // namespace
}  // namespace ktrial::results
