// A task and the folder that it shares with its maker.
#include "harness/engine/slurm/task.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <utime.h>

#include <fstream>

#include "harness/base/file.h"
#include "harness/engine/slurm/folder.h"

namespace ktrial::engine::slurm {
namespace {
namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class TaskTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(dir_);
    folder_ = std::make_unique<Folder>(dir_->path() / "fleet/x", "/bin/ktrial");
    job_.spec.kernel = "a kernel";
    job_.results = "/results";
    const auto shard = folder_->put({&job_, &job_});
    ASSERT_TRUE(shard) << shard.error().message;
    shard_ = *shard;
  }
  fs::path shard() const { return folder_->path() / shard_; }
  // The job comes to its end as `ended` says, after what `tell` says.
  Status run(int index, run::Ended ended, const std::vector<run::What>& tell = {},
             int attempt = 0) {
    return run_task({.job = names::job(shard(), index),
                     .attempt = attempt,
                     .node = "n1",
                     .lease = std::chrono::milliseconds(5000),
                     .last_word = std::chrono::milliseconds(0)},
                    [&](const fs::path& job, const run::Sink& sink) {
                      const auto loaded = run::load_job(job);
                      EXPECT_TRUE(loaded && *loaded == job_);
                      ++ran_;
                      for (const run::What& what : tell) sink({1, std::nullopt, what});
                      return ended;
                    });
  }

  Result<TempDir> dir_ = TempDir::create();
  std::unique_ptr<Folder> folder_;
  run::Job job_;
  Shard shard_;
  int ran_ = 0;
};

const run::Begun kBegun{"run-1", "/r/run-1"};
const run::TrialEnded kTrial{results::Outcome::pass, "", "all is well", 1};

TEST_F(TaskTest, ItsLastWordIsHeard) {
  ASSERT_TRUE(run(1, {0, {}}, {kBegun, run::Step{"hello"}, kTrial}));
  EXPECT_THAT(folder_->ended(shard_), ElementsAre(1));
  EXPECT_THAT(folder_->ended(shard_), IsEmpty()) << "told once";
  const Told told = folder_->told({shard_, 1});
  EXPECT_EQ(told.exit, 0);
  EXPECT_EQ(told.run, "run-1");
  EXPECT_EQ(told.trials, 1);
  EXPECT_EQ(told.node, "n1");
  std::vector<run::Event> heard;
  for (int i = 0; i < 2; ++i)
    folder_->hear({shard_, 1}, [&](const run::Event& event) { heard.push_back(event); });
  ASSERT_THAT(heard, SizeIs(4));
  EXPECT_TRUE(std::holds_alternative<run::Ended>(heard.back().what));
}

TEST_F(TaskTest, AnErrorOfTheJobIsToldAsItIs) {
  ASSERT_TRUE(run(0, {128, Error{ErrorKind::environment, "no QEMU", "install it"}}));
  const Told told = folder_->told({shard_, 0});
  EXPECT_EQ(told.exit, 128);
  ASSERT_TRUE(told.error);
  EXPECT_EQ(told.error->message, "no QEMU");
}

TEST_F(TaskTest, WhatWasWithdrawnIsNotRun) {
  EXPECT_TRUE(folder_->withdraw({shard_, 0}));
  EXPECT_FALSE(folder_->withdraw({shard_, 0}));
  ASSERT_TRUE(run(0, {0, {}}));
  EXPECT_EQ(ran_, 0);
  EXPECT_FALSE(folder_->told({shard_, 0}).exit);
  ASSERT_TRUE(run(1, {0, {}}));
  EXPECT_FALSE(folder_->withdraw({shard_, 1})) << "it has begun";
}

TEST_F(TaskTest, WhenNobodyWaitsNoneBegins) {
  const utimbuf old{1, 1};
  ASSERT_EQ(::utime((folder_->path() / names::kAlive).c_str(), &old), 0);
  ASSERT_TRUE(run(0, {0, {}}));
  EXPECT_EQ(ran_, 0);
  EXPECT_TRUE(folder_->told({shard_, 0}).abandoned);
  folder_->keep_lease();
  ASSERT_TRUE(run(1, {0, {}}));
  EXPECT_EQ(ran_, 1);
}

// The scheduler put it back into its queue: what was committed before is not made once more.
TEST_F(TaskTest, PutBackItGoesOnceMoreUnlessItsTrialIsCommitted) {
  ASSERT_TRUE(run(0, {130, {}}, {kBegun}));
  ASSERT_TRUE(run(0, {0, {}}, {run::Begun{"run-2", "/r/run-2"}, kTrial}, 1));
  EXPECT_EQ(ran_, 2);
  EXPECT_EQ(folder_->told({shard_, 0}).run, "run-2");
  ASSERT_TRUE(run(0, {0, {}}, {}, 2));
  EXPECT_EQ(ran_, 2);
  EXPECT_EQ(folder_->told({shard_, 0}).trials, 1);
  EXPECT_EQ(folder_->told({shard_, 0}).run, "run-2");
}

TEST_F(TaskTest, TheNextProcessFindsWhatIsOpen) {
  ASSERT_TRUE(folder_->submitted(shard_, "17"));
  ASSERT_TRUE(run(0, {0, {}}, {kBegun, kTrial}));
  Folder next(folder_->path(), "/bin/ktrial");
  const auto left = next.left();
  ASSERT_THAT(left, SizeIs(1));
  EXPECT_EQ(left.front().array, "17");
  ASSERT_THAT(left.front().open, SizeIs(1));
  EXPECT_EQ(left.front().open.front().first, 1);
  EXPECT_TRUE(left.front().open.front().second == job_);
  const auto fresh = next.put({&job_});
  ASSERT_TRUE(fresh);
  EXPECT_NE(*fresh, shard_);
  next.drop(*fresh);
  next.drop(shard_);
  EXPECT_FALSE(fs::exists(shard()));
}

// stderr's last line says why there is no last word.
TEST_F(TaskTest, LastWordsOnStderrAreKept) {
  std::ofstream(names::out(shard(), 0)) << "first\nslurmstepd: error: node failure\n";
  EXPECT_EQ(folder_->told({shard_, 0}).last_words, "slurmstepd: error: node failure");
}

}  // namespace
}  // namespace ktrial::engine::slurm
