#include "guest/mix/part.h"

#include <gmock/gmock.h>

namespace ktrial::mix {
namespace {
using ::testing::ElementsAre;

TEST(MixTest, APlusStandsBetweenCommands) {
  EXPECT_THAT(commands_of({"/w/a", "--x=1", "+", "/w/b"}),
              ElementsAre(ElementsAre("/w/a", "--x=1"), ElementsAre("/w/b")));
}

TEST(MixTest, EachLineOfOutputHasItsName) {
  Part part("/workloads/rcu-storm");
  EXPECT_EQ(part.said("inva"), "");
  EXPECT_EQ(part.said("riant broken\nmore"), "rcu-storm: invariant broken\n");
  EXPECT_EQ(part.said_at_end(), "rcu-storm: more\n");
  EXPECT_EQ(part.said_at_end(), "");
}

TEST(MixTest, NumbersAndProgressAreKeptApart) {
  std::vector<Part> parts = {Part("/w/a"), Part("/w/b")};
  parts[0].hear_progress("3 0 turns; x=1 y=2\n");
  parts[1].hear_progress("4 0 chil");
  EXPECT_EQ(merged(parts, {true, true}), "") << "b said nothing whole";
  parts[1].hear_progress("dren\n");
  EXPECT_EQ(merged(parts, {true, true}), "7 0 a 3, b 4; a.x=1 a.y=2\n");
}

TEST(MixTest, TheSilenceOfOneIsTheSilenceOfAll) {
  std::vector<Part> parts = {Part("/w/a"), Part("/w/b")};
  for (int i = 0; i < 3; ++i) {
    parts[0].hear_progress("9 0 turns\n");
    EXPECT_EQ(merged(parts, {true, true}), "");
  }
  EXPECT_EQ(merged(parts, {true, false}), "9 0 a 9, b 0\n") << "b has ended";
}

TEST(MixTest, WhatIsNoProgressIsNone) {
  Part part("/w/a");
  part.hear_progress("x 1 y\n\n12\n" + std::string(10000, '1') + "\n");
  EXPECT_FALSE(part.moved());
}

}  // namespace
}  // namespace ktrial::mix
