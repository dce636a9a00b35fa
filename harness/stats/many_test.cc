#include "harness/stats/many.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/stats/simulation.h"

namespace ktrial::stats {
namespace {

using testing::DoubleNear;
using testing::ElementsAre;

TEST(ManyTest, AdjustsInTheOrderGiven) {
  const std::vector<double> p{.01, .04, .03, .005};
  EXPECT_THAT(holm(p), ElementsAre(DoubleNear(.03, 1e-12), DoubleNear(.06, 1e-12),
                                   DoubleNear(.06, 1e-12), DoubleNear(.02, 1e-12)));
  EXPECT_THAT(benjamini_hochberg(p), ElementsAre(DoubleNear(.02, 1e-12), DoubleNear(.04, 1e-12),
                                                 DoubleNear(.04, 1e-12), DoubleNear(.02, 1e-12)));
  EXPECT_TRUE(holm({}).empty());
  EXPECT_EQ(holm(std::vector<double>{.9, .8}).back(), 1);
}

// 200 cells of which 20 differ: alarms, false alarms.
TEST(ManyTest, KeepsWhatItPromises) {
  constexpr int kNights = 500;
  Coins coins(23);
  int nights_with_false = 0;
  double false_share = 0, holm_found = 0, found = 0;
  for (int night = 0; night < kNights; ++night) {
    std::vector<double> p(200);
    for (std::size_t i = 0; i < p.size(); ++i) p[i] = coins.uniform() * (i < 20 ? .001 : 1);
    const auto strict = holm(p), loose = benjamini_hochberg(p);
    int wrong = 0, alarms = 0;
    bool any_false = false;
    for (std::size_t i = 0; i < p.size(); ++i) {
      any_false |= i >= 20 && strict[i] <= .05;
      holm_found += i < 20 && strict[i] <= .05;
      alarms += loose[i] <= .05;
      wrong += i >= 20 && loose[i] <= .05;
      found += i < 20 && loose[i] <= .05;
    }
    nights_with_false += any_false;
    false_share += alarms > 0 ? static_cast<double>(wrong) / alarms / kNights : 0;
  }
  EXPECT_LE(static_cast<double>(nights_with_false) / kNights, .05 + slack(.05, kNights));
  EXPECT_LE(false_share, .05 + slack(.05, kNights));
  EXPECT_GT(found, holm_found);  // what BH is for
}

}  // namespace
}  // namespace ktrial::stats
