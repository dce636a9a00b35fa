#include "harness/trial/measures.h"

#include <gmock/gmock.h>

namespace ktrial::trial {
namespace {
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

std::string taken(Measures& measures, std::string text) {
  measures.take(text);
  return text;
}

TEST(MeasuresTest, TheLastValueOfEachNameStays) {
  Measures measures;
  EXPECT_EQ(taken(measures, "grace periods; refused=3 longest_us=120"), "grace periods");
  EXPECT_EQ(taken(measures, "grace periods; refused=4 longest_us=120"), "grace periods");
  EXPECT_THAT(measures.of("rcu-storm"),
              ElementsAre(Pair("rcu-storm.longest_us", 120u), Pair("rcu-storm.refused", 4u)));
}

TEST(MeasuresTest, OfTwoWorkloadsEachHasItsOwn) {
  Measures measures;
  taken(measures, "turns; rcu-storm.refused=1 fork-storm.refused=2");
  EXPECT_THAT(measures.of("fork-storm+rcu-storm"),
              ElementsAre(Pair("fork-storm.refused", 2u), Pair("rcu-storm.refused", 1u)));
}

TEST(MeasuresTest, WhatIsNoNumberIsLeftOut) {
  Measures measures;
  EXPECT_EQ(taken(measures, "rounds"), "rounds");
  EXPECT_EQ(taken(measures, ""), "");
  taken(measures,
        "x; a=-1 b= =3 c d=1x E=1 f=99999999999999999999 " + std::string(200, 'n') + "=1");
  EXPECT_THAT(measures.of("w"), IsEmpty());
}

TEST(MeasuresTest, AHostileGuestFillsNoMemory) {
  Measures measures;
  for (int i = 0; i < 1000; ++i) taken(measures, "x; n" + std::to_string(i) + "=1");
  EXPECT_EQ(measures.of("w").size(), Measures::kMost);
}

}  // namespace
}  // namespace ktrial::trial
