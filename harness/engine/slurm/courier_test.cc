// A task on a node that does not see the fleet's folder. Its node sees /desk nowhere; the courier
// finds it behind a door.
#include "harness/engine/slurm/courier.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "harness/base/file.h"
#include "harness/engine/slurm/folder.h"
#include "harness/engine/slurm/task.h"

namespace ktrial::engine::slurm {
namespace {
namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class CourierTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(dir_);
    fs::create_directories(scratch());
    courier_ = {.fetch = {"cp", door() + "{from}", "{to}"},
                .send = {"cp", "{from}", door() + "{to}"},
                .scratch = scratch()};
    folder_ = std::make_unique<Folder>(store() / "fleet/x", "/bin/ktrial", courier_);
    job_.spec.kernel = "/desk/bzImage";
    job_.results = "/desk";
    job_.working_dir = "/desk/here";
    std::ofstream(store() / "bzImage") << "a kernel";
    const auto shard = folder_->put({&job_, &job_});
    ASSERT_TRUE(shard) << shard.error().message;
    shard_ = *shard;
  }
  std::string door() const { return (dir_->path() / "door").string(); }
  std::string scratch() const { return (dir_->path() / "scratch").string(); }
  fs::path store() const {
    fs::path out = door() + "/desk";
    fs::create_directories(out);
    return out;
  }
  fs::path shard() const { return folder_->path() / shard_; }

  // Makes a run with one file.
  Status run(int index, run::Ended ended = {0, {}}, int attempt = 0) {
    return run_far_task({.job = names::job(fs::path("/desk/fleet/x") / shard_, index),
                         .attempt = attempt,
                         .node = "n1",
                         .lease = std::chrono::milliseconds(5000),
                         .last_word = std::chrono::milliseconds(0)},
                        courier_, [&](const fs::path& file, const run::Sink& sink) {
                          ++ran_;
                          const auto job = run::load_job(file);
                          EXPECT_TRUE(job);
                          if (!job) return ended;
                          EXPECT_EQ(read_file(job->spec.kernel).value_or(""), "a kernel");
                          EXPECT_TRUE(fs::is_directory(job->working_dir));
                          const fs::path made = job->results / "runs/run-1";
                          fs::create_directories(made);
                          std::ofstream(made / "run.json") << "{}";
                          sink({1, std::nullopt, run::Begun{"run-1", made}});
                          sink({2, 0, run::TrialEnded{results::Outcome::pass, "", "well", 1}});
                          if (during_) during_();
                          return ended;
                        });
  }

  Result<TempDir> dir_ = TempDir::create();
  spec::Courier courier_;
  std::unique_ptr<Folder> folder_;
  run::Job job_;
  Shard shard_;
  std::function<void()> during_;
  int ran_ = 0;
};

TEST_F(CourierTest, GoesThroughATasksCommandLine) {
  const auto again = courier_from(to_json(courier_));
  ASSERT_TRUE(again);
  EXPECT_EQ(*again, courier_);
  const std::string script = read_file(shard() / names::kScript).value_or("");
  EXPECT_THAT(script, HasSubstr("--courier '{\"fetch\":[\"cp\""));
  for (const char* bad : {"", "[]", "{}", R"({"fetch":[],"send":["a"],"scratch":"/"})",
                          R"({"fetch":[1],"send":["a"],"scratch":"/"})",
                          R"({"fetch":["a"],"send":["a"],"scratch":1})"})
    EXPECT_FALSE(courier_from(bad)) << bad;
}

TEST_F(CourierTest, TheRunComesIntoTheStoreAndNothingIsLeftThere) {
  const auto done = run(1);
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_TRUE(fs::is_empty(scratch()));
  EXPECT_THAT(folder_->ended(shard_), ElementsAre(1));
  const Told told = folder_->told({shard_, 1});
  EXPECT_TRUE(told.begun);
  EXPECT_EQ(told.exit, 0);
  EXPECT_EQ(told.node, "n1");
  EXPECT_EQ(told.run, "run-1");
  EXPECT_EQ(told.trials, 1);
  EXPECT_TRUE(fs::exists(store() / "runs/run-1/run.json"));
  EXPECT_FALSE(fs::exists(names::package(shard(), 1)));
  std::vector<run::Event> heard;
  folder_->hear({shard_, 1}, [&](const run::Event& event) { heard.push_back(event); });
  EXPECT_THAT(heard, SizeIs(3));
}

TEST_F(CourierTest, WhatWasWithdrawnIsNotRun) {
  EXPECT_TRUE(folder_->withdraw({shard_, 0}));
  ASSERT_TRUE(run(0));
  EXPECT_EQ(ran_, 0);
  during_ = [&] { EXPECT_FALSE(folder_->withdraw({shard_, 1})) << "it has begun"; };
  ASSERT_TRUE(run(1));
  EXPECT_EQ(ran_, 1);
}

TEST_F(CourierTest, WhenNobodyWaitsNoneBegins) {
  std::ofstream(folder_->path() / names::kAlive) << "17\n";
  ASSERT_TRUE(run(0));
  EXPECT_EQ(ran_, 0);
  EXPECT_THAT(folder_->ended(shard_), ElementsAre(0));
  EXPECT_TRUE(folder_->told({shard_, 0}).abandoned);
}

// Nothing of it counts until its last word is whole.
TEST_F(CourierTest, AWordThatIsHalfCopiedIsNoWord) {
  during_ = [&] { std::ofstream(names::end(shard(), 0)) << R"({"schema":1,"ex)"; };
  courier_.send = {"sh", "-c", "case $0 in *.end) exit 3;; *) cp \"$0\" \"$1\";; esac", "{from}",
                   door() + "{to}"};
  const auto cut = run(0);
  ASSERT_FALSE(cut);
  EXPECT_THAT(cut.error().message, HasSubstr("sh: ")) << "the command that failed is named";
  EXPECT_THAT(folder_->ended(shard_), IsEmpty());
  EXPECT_FALSE(folder_->told({shard_, 0}).exit);
  EXPECT_FALSE(fs::exists(store() / "runs/run-1"));
  EXPECT_TRUE(fs::is_empty(scratch()));
}

TEST_F(CourierTest, WhatCannotBeTakenInIsAnErrorOfItsOwn) {
  ASSERT_TRUE(run(0));
  std::ofstream(names::package(shard(), 0)) << "no archive";
  EXPECT_THAT(folder_->ended(shard_), ElementsAre(0));
  const Told told = folder_->told({shard_, 0});
  EXPECT_EQ(told.exit, 128);
  ASSERT_TRUE(told.error);
  EXPECT_THAT(told.error->message, HasSubstr("tar: "));
}

TEST_F(CourierTest, TheNextProcessTakesInWhatCame) {
  ASSERT_TRUE(folder_->submitted(shard_, "17"));
  ASSERT_TRUE(run(0));
  // As if the one before had been killed between two renames.
  fs::create_directories(store() / "runs/run-1");
  std::ofstream(store() / "runs/run-1/run.json") << "first";
  Folder next(folder_->path(), "/bin/ktrial", courier_);
  const auto left = next.left();
  ASSERT_THAT(left, SizeIs(1));
  ASSERT_THAT(left.front().open, SizeIs(1));
  EXPECT_EQ(left.front().open.front().first, 1);
  EXPECT_EQ(left.front().open.front().second, job_);
  EXPECT_EQ(read_file(store() / "runs/run-1/run.json").value_or(""), "first");
}

TEST_F(CourierTest, AFolderOutOfReachIsAnErrorThatSaysWhatFailed) {
  courier_.fetch = {"cp", "/nowhere{from}", "{to}"};
  const auto none = run(0);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().kind, ErrorKind::environment);
  EXPECT_THAT(none.error().message, HasSubstr("cp: /desk/fleet/x/alive to "));
  EXPECT_EQ(ran_, 0);
}

}  // namespace
}  // namespace ktrial::engine::slurm
