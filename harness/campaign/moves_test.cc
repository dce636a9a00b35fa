#include "harness/campaign/moves.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace ktrial::campaign {
namespace {
using testing::HasSubstr;

using Values = std::vector<std::uint64_t>;
Seen night(const Values& values) {
  Seen out;
  out.cells["cpus=2"].numbers["w.late_us"] = values;
  return out;
}
std::string said(const Seen& tonight, const std::vector<Seen>& nights) {
  const Moves all = moves(tonight, nights);
  const auto found = all.moved.find({"cpus=2", "w.late_us"});
  return found == all.moved.end() ? "" : found->second;
}

const Values kLow{10, 11, 12, 13, 14, 15, 16, 17}, kHigh{20, 21, 22, 23, 24, 25, 26, 27};

TEST(MovesTest, ANumberThatMovedIsToldWithWhereItWas) {
  EXPECT_EQ(said(night(kHigh), {night(kLow)}),
            "higher than in the night before (median 13; rank sums, p=0.00016)");
  EXPECT_EQ(said(night(kLow), {night(kHigh), night(kHigh)}),
            "lower than in each of 2 nights before (median 23; rank sums, p=0.00016)");
}

TEST(MovesTest, NightsThatDifferAmongThemselvesSpeakAgainstIt) {
  EXPECT_EQ(said(night(kHigh), {night(kHigh), night(kLow)}), "");
  EXPECT_EQ(said(night(kHigh), {night(kHigh), night(kLow), night(kLow), night(kLow)}),
            "higher than in each of 3 nights before (median 13; rank sums, p=0.00016)")
      << "three are compared";
}

TEST(MovesTest, FewTrialsSayNothing) {
  const Values few{1, 2, 3, 4};
  EXPECT_EQ(moves(night(few), std::vector{night(kHigh)}).compared, 0u);
  EXPECT_EQ(moves(night(kHigh), std::vector{night(few)}).compared, 0u);
  EXPECT_EQ(moves(night(kHigh), {}).compared, 0u);
  EXPECT_THAT(said(night(kHigh), {night(few), night(kLow)}), HasSubstr("than in the night before"));
}

// Of healthy nights at most one in a hundred has any, however many numbers there are; of ten, each
// doubled in one of them, all are found.
TEST(MovesTest, WrongAlarmsAreAsRareAsIsSaid) {
  constexpr int kNights = 1000, kNumbers = 10;
  std::mt19937_64 random(1);
  const auto made = [&](double scale) {
    Seen out;
    for (int n = 0; n < kNumbers; ++n)
      for (std::size_t i = 0; i < kKeptOfNumber; ++i)
        out.cells["cell"].numbers[std::to_string(n)].push_back(
            static_cast<std::uint64_t>(scale * std::lognormal_distribution(5.0, 0.4)(random)));
    return out;
  };
  int alarms = 0, found = 0;
  for (int i = 0; i < kNights; ++i) {
    // By one night alone, the level is used up; more nights make it smaller.
    alarms += !moves(made(1), std::vector{made(1)}).moved.empty();
    if (i % 10 == 0) found += moves(made(2), std::vector{made(1), made(1)}).moved.size();
  }
  EXPECT_LE(alarms, 20);  // 10 expected; 21 or more: one seed in a thousand
  EXPECT_GE(alarms, 1);
  EXPECT_GE(found, 950);
}

}  // namespace
}  // namespace ktrial::campaign
