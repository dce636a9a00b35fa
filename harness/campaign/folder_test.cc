#include "harness/campaign/folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "harness/base/file.h"

namespace ktrial::campaign {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class FolderTest : public testing::Test {
 protected:
  Folder begin(const std::string& name = "nightly") {
    auto folder =
        Folder::create(dir_->path(), {.name = name,
                                      .plan_text = "name = '" + name + "'\nbudget = '1h'\n",
                                      .plan_file = "/p/nightly.toml",
                                      .argv = {"ktrial", "campaign"},
                                      .working_dir = "/p",
                                      .pins = {{"git:master", "git:abc"}}});
    EXPECT_TRUE(folder) << folder.error().message;
    return *std::move(folder);
  }
  Result<TempDir> dir_ = TempDir::create();
};

TEST_F(FolderTest, RemembersWhatWasBegunAndHowLongItTook) {
  std::filesystem::path directory;
  {
    Folder folder = begin();
    directory = folder.directory();
    ASSERT_TRUE(folder.session(0, 4));
    ASSERT_TRUE(folder.submitted(1, 1, "cpus=2"));
    ASSERT_TRUE(folder.submitted(1, 2, "cpus=4"));
    ASSERT_TRUE(folder.submitted(1, 3, "cpus=8"));
    ASSERT_TRUE(folder.done(12.5, 1, "cpus=2", "run1", ""));
    ASSERT_TRUE(folder.done(13, 2, "cpus=4", "", "lost: killed by SIGKILL"));
    ASSERT_TRUE(folder.told(13, "stall:f"));
    EXPECT_TRUE(is_running(directory));
    EXPECT_EQ(load_story(directory)->open, (std::map<std::string, std::string>{{"3", "cpus=8"}}));
    auto second = Folder::open(directory);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().kind, ErrorKind::usage);
  }
  EXPECT_FALSE(is_running(directory));
  {
    // A trial ran on when it was killed.
    Folder folder = Folder::open(directory).value();
    ASSERT_TRUE(folder.tick(40.25));
    ASSERT_TRUE(folder.tick(42)) << "too soon: not written";
  }
  // Killed while it wrote.
  std::ofstream(directory / "journal.jsonl", std::ios::app) << R"({"event":"done","used_s":99)";
  auto folder = Folder::open(directory);
  ASSERT_TRUE(folder) << folder.error().message;
  const Story& story = folder->story();
  EXPECT_NEAR(story.used_s, 40.25, 0.1);
  EXPECT_EQ(story.cores, 4);
  EXPECT_EQ(story.plan_file, "/p/nightly.toml");
  EXPECT_EQ(story.pins.at("git:master"), "git:abc");
  EXPECT_THAT(story.lost, ElementsAre("cpus=4: lost: killed by SIGKILL"));
  EXPECT_THAT(story.told, ElementsAre("stall:f"));
  EXPECT_FALSE(story.ended);
  ASSERT_TRUE(folder->ended(14, results::RunState::finished));
  EXPECT_TRUE(load_story(directory)->ended);
}

TEST_F(FolderTest, NightsAreFoundByPlanIdAndBeginning) {
  const auto first = begin().directory();
  const auto second = begin().directory();  // in the same second
  const auto other = begin("nightly-arm").directory();
  EXPECT_NE(first, second);
  EXPECT_EQ(find_night(dir_->path(), first.filename()).value(), first);
  EXPECT_EQ(find_night(dir_->path(), second.filename()).value(), second);
  EXPECT_EQ(find_night(dir_->path(), "nightly").value(), second);
  EXPECT_EQ(find_night(dir_->path(), "nightly-arm").value(), other);
  EXPECT_EQ(find_night(dir_->path(), "nightly-a").value(), other);
  EXPECT_EQ(find_night(dir_->path(), (first / "plan.toml").string()).value(), second);
  EXPECT_EQ(find_night(dir_->path(), second.string()).value(), second);
  const auto none = find_night(dir_->path(), "weekly");
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().kind, ErrorKind::usage);
}

TEST_F(FolderTest, TheNightsFileReadsBack) {
  NightFile night{.name = "nightly", .used_s = 3.5, .fresh_signatures = 2};
  night.seen.id = "nightly-1";
  night.seen.cells["cpus=2"] = {3, 2, 1, {{"stall:f", 2}}, 7, {{"w.late_us", {4, 1}}}};
  night.signatures["stall:f"] = {"stall in f", "f", "run1", results::Kind::silent_stall, 4};
  night.running = {"cpus=4"};
  night.left_s = 9;
  const auto back = night_from_json(to_json(night), "f");
  ASSERT_TRUE(back);
  EXPECT_EQ(back->seen.cells, night.seen.cells);
  EXPECT_EQ(back->signatures, night.signatures);
  EXPECT_EQ(back->used_s, 3.5);
  EXPECT_EQ(back->left_s, 9);
  EXPECT_FALSE(night_from_json("{}", "f"));
  EXPECT_FALSE(night_from_json("x", "f"));
  Folder folder = begin();
  ASSERT_TRUE(folder.write(night));
  EXPECT_EQ(nights_of(dir_->path(), "nightly").size(), 1u);
  EXPECT_TRUE(nights_of(dir_->path(), "night").empty());
}

}  // namespace
}  // namespace ktrial::campaign
