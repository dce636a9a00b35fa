#include "harness/cli/campaign_screen.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ktrial::cli {
namespace {

TEST(CampaignScreenTest, OneScreenSaysHowFarTheNightIs) {
  const auto plan =
      spec::parse_plan("name='nightly'\nbudget='30m'\n[matrix]\ncpus=[2,4]\n[goal]\ntrials=20", "p")
          .value();
  campaign::Progress progress{.plan = &plan,
                              .used_s = 61,
                              .pass = 7,
                              .fail = 3,
                              .inconclusive = 1,
                              .running = 2,
                              .running_vcpus = 6,
                              .left_s = 300};
  progress.signatures = {{"stall:a", 1}, {"oops:\x1b[2J", 2}};
  EXPECT_THAT(
      campaign_rows(progress, 4, 200),
      testing::ElementsAre("nightly: 61.0 s of 30 min 0 s, about 5 min 0 s left",
                           "11/40 trials: 7 pass, 3 fail, 1 inconclusive; 2 running on 4 of 4 "
                           "cores",
                           "      2  oops:\\x1b[2J", "      1  stall:a"));
  // Time goes on when nothing happens.
  EXPECT_EQ(campaign_rows(later(progress, 60), 4, 200)[0],
            "nightly: 2 min 1 s of 30 min 0 s, about 4 min 0 s left");
  EXPECT_EQ(later(progress, 400).left_s, 0);
  for (const std::string& row : campaign_rows(progress, 4, 20)) EXPECT_LT(row.size(), 20u);
}

}  // namespace
}  // namespace ktrial::cli
