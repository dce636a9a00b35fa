#include "results/numbers.h"

#include <gmock/gmock.h>

namespace ktrial::results {
namespace {
using ::testing::ElementsAre;

TEST(NumbersTest, EachNameHasItsRangeOverTheTrialsThatToldIt) {
  const std::vector<Counters> trials = {
      {{"oops_count", 0}, {"w.rate", 30}, {"w.late_us", 7}}, {{"w.rate", 10}}, {{"w.rate", 20}}};
  EXPECT_THAT(numbers_of(trials), ElementsAre(NumberRange{"w.late_us", 1, 7, 7, 7},
                                              NumberRange{"w.rate", 3, 10, 20, 30}));
}

TEST(NumbersTest, TheKernelsOwnCountersAreNone) {
  EXPECT_TRUE(numbers_of(std::vector<Counters>{{{"oops_count", 3}}}).empty());
  TrialRecord trial;
  trial.counters = {{"oops_count", 3}, {"w.rate", 1}};
  EXPECT_EQ(numbers_of(trial), (Counters{{"w.rate", 1}}));
}

TEST(NumbersTest, TheTextNamesTheMedian) {
  EXPECT_EQ(to_text({"w.rate", 1, 5, 5, 5}), "w.rate 5");
  EXPECT_EQ(to_text({"w.rate", 3, 1, 5, 9}), "w.rate 5 (1 to 9)");
}

}  // namespace
}  // namespace ktrial::results
