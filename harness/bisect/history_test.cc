#include "harness/bisect/history.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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
  for (const auto& [good, bad, message] :
       {std::tuple{"6.18.5", "6.18.5", "same package"}, {"6.17.1", "6.18.5", "6.17.1"},
        {"6.18.5", "6.19.6", "2 packages"}, {"", "6.18.5", "no package"}}) {
    const auto history = between(good, bad);
    ASSERT_FALSE(history) << good << " " << bad;
    EXPECT_EQ(history.error().kind, ErrorKind::usage);
    EXPECT_THAT(history.error().message, HasSubstr(message));
  }
}

}  // namespace
}  // namespace ktrial::bisect
