#include "harness/bisect/history.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/base/command.h"
#include "harness/base/file.h"
#include "harness/bisect/git_history.h"

namespace ktrial::bisect {
namespace {
using ::testing::HasSubstr;

const std::vector<kernel::PackagedKernel> kPackages = {
    {"linux-image-6.18.5+deb13-cloud-amd64", "6.18.5-1"},
    {"linux-image-6.18.15+deb13-cloud-amd64", "6.18.15-1"},
    {"linux-image-6.19.6+deb13-cloud-amd64", "6.19.6-1~bpo"},
    {"linux-image-6.19.6+deb13-cloud-amd64", "6.19.6-2~bpo"},
    {"linux-image-6.19.60+deb13-cloud-amd64", "6.19.60-1"},
};

Result<History> between(const std::string& good, const std::string& bad) {
  return history_of_packages(kPackages, {.good = good, .bad = bad});
}

TEST(PackageHistoryTest, CandidatesLieBetweenTheEnds) {
  const auto history = between("6.18.5", "deb:linux-image-6.19.6+deb13-cloud-amd64=6.19.6-2~bpo");
  ASSERT_TRUE(history) << history.error().message;
  EXPECT_EQ(history->direction, Direction::bug);
  ASSERT_EQ(history->graph.size(), 3u);
  EXPECT_EQ(history->graph.id(0), "linux-image-6.18.15+deb13-cloud-amd64=6.18.15-1");
  EXPECT_EQ(history->graph.id(history->graph.old_end()),
            "linux-image-6.18.5+deb13-cloud-amd64=6.18.5-1");
}

TEST(PackageHistoryTest, ABadEndThatIsOlderMeansTheFix) {
  const auto history = between("linux-image-6.19.60+deb13-cloud-amd64", "6.18.15-1");
  ASSERT_TRUE(history) << history.error().message;
  EXPECT_EQ(history->direction, Direction::fix);
  EXPECT_EQ(history->graph.size(), 3u);
}

TEST(PackageHistoryTest, EndsThatMakeNoSenseAreUsageErrors) {
  for (const auto& [good, bad, message] : {std::tuple{"6.18.5", "6.18.5", "same package"},
                                           {"6.17.1", "6.18.5", "6.17.1"},
                                           {"6.18.5", "6.19.6", "2 packages"},
                                           {"", "6.18.5", "no package"}}) {
    const auto history = between(good, bad);
    ASSERT_FALSE(history) << good << " " << bad;
    EXPECT_EQ(history.error().kind, ErrorKind::usage);
    EXPECT_THAT(history.error().message, HasSubstr(message));
  }
}

// Commits "1" to "5"; "3" touches mm/, the others kernel/.
class GitHistoryTest : public ::testing::Test {
 protected:
  void SetUp() override {
    git({"init", "-q", "-b", "main"});
    for (int i = 1; i <= 5; ++i) {
      const std::string folder = i == 3 ? "mm" : "kernel";
      std::filesystem::create_directories(dir->path() / folder);
      ASSERT_TRUE(write_file_atomically(dir->path() / folder / "x.c", std::to_string(i)));
      git({"add", "-A"});
      git({"commit", "-q", "-m", "change " + std::to_string(i)});
      git({"tag", "v" + std::to_string(i)});
    }
  }
  void git(std::vector<std::string> words) {
    words.insert(words.begin(), {"git", "-C", dir->path().string(), "-c", "user.name=Test", "-c",
                                 "user.email=test@localhost"});
    const auto output = run_command(words);
    ASSERT_TRUE(output && output->ok()) << (output ? output->err : output.error().message);
  }
  Result<History> between(const std::string& good, const std::string& bad,
                          std::vector<std::string> suspects = {}) {
    return git_history({.tree = dir->path()},
                       {.good = good, .bad = bad, .suspects = std::move(suspects)});
  }
  Result<TempDir> dir = TempDir::create();
};

TEST_F(GitHistoryTest, CommitsLieBetweenTheEnds) {
  const auto history = between("v1", "main");
  ASSERT_TRUE(history) << history.error().message;
  EXPECT_EQ(history->direction, Direction::bug);
  ASSERT_EQ(history->graph.size(), 4u);
  EXPECT_EQ(history->graph.subject(0), "change 2");
  EXPECT_EQ(history->graph.subject(3), "change 5");
  const auto fix = between("v5", "v2");
  ASSERT_TRUE(fix) << fix.error().message;
  EXPECT_EQ(fix->direction, Direction::fix);
  EXPECT_EQ(fix->graph.size(), 3u);
}

TEST_F(GitHistoryTest, ASuspectedPathWeighsMore) {
  const auto history = between("v1", "v5", {"mm/"});
  ASSERT_TRUE(history) << history.error().message;
  EXPECT_THAT(history->weights, ::testing::ElementsAre(1, 5, 1, 1));
  const auto nothing = between("v1", "v5", {"m"});
  ASSERT_FALSE(nothing);
  EXPECT_THAT(nothing.error().message, HasSubstr("--suspect"));
}

TEST_F(GitHistoryTest, EndsThatMakeNoSenseAreUsageErrors) {
  git({"checkout", "-q", "-b", "side", "v2"});
  git({"commit", "-q", "--allow-empty", "-m", "aside"});
  for (const auto& [good, bad] :
       {std::pair{"v1", "v1"}, {"nowhere", "v5"}, {"v1", "nowhere"}, {"side", "v5"}}) {
    const auto history = between(good, bad);
    ASSERT_FALSE(history) << good << " " << bad;
    EXPECT_EQ(history.error().kind, ErrorKind::usage) << history.error().message;
  }
  ASSERT_TRUE(write_file_atomically(dir->path() / "kernel/x.c", "dirty"));
  const auto dirty = between("v1", "HEAD");
  ASSERT_FALSE(dirty);
  EXPECT_EQ(dirty.error().kind, ErrorKind::usage);
}

}  // namespace
}  // namespace ktrial::bisect
