#include "workloads/rcu-storm/checks.h"

#include <gmock/gmock.h>

namespace ktrial::workload {
namespace {
using ::testing::HasSubstr;

TEST(RcuStormChecksTest, TheKernelsFilesAreRead) {
  EXPECT_EQ(count_lines(""), 0);
  EXPECT_EQ(count_lines("1 a\n2 b\n"), 2);
  constexpr char kStat[] = "nr_descendants 3\nnr_subsys_cpu 4\nnr_dying_descendants 12\n";
  EXPECT_EQ(value_of(kStat, "nr_descendants"), 3);
  EXPECT_EQ(value_of(kStat, "nr_dying_descendants"), 12);
  EXPECT_EQ(value_of(kStat, "nr_dying"), std::nullopt) << "not a whole word";
  EXPECT_EQ(value_of("nr_descendants x\n", "nr_descendants"), std::nullopt);
  EXPECT_EQ(value_of("", "nr_descendants"), std::nullopt);
  EXPECT_EQ(first_number("1056\t0\t9223372036854775807\n"), 1056);
  EXPECT_EQ(first_number("-1"), std::nullopt);
  EXPECT_EQ(first_number("99999999999999999999"), std::nullopt);
}

constexpr Census kBefore{.mounts = 10, .groups = 0, .dying = 0, .cpus = 4, .files = 1000};

TEST(RcuStormChecksTest, WhatComesBackIsHealthy) {
  EXPECT_EQ(difference(kBefore, kBefore, 0), "");
  Census after = kBefore;
  after.files = 1064;
  EXPECT_EQ(difference(kBefore, after, 64), "");
  after.files = 5;
  EXPECT_EQ(difference(kBefore, after, 0), "") << "fewer files are none of ours";
}

TEST(RcuStormChecksTest, EachThatDoesNotComeBackIsNamed) {
  struct Case {
    const char* words;
    Census after;
  };
  const Case cases[] = {
      {"CPUs online: 4 before, 3 after", {10, 0, 0, 3, 1000}},
      {"mounts: 10 before, 11 after", {11, 0, 0, 4, 1000}},
      {"mounts: 10 before, 9 after", {9, 0, 0, 4, 1000}},
      {"control groups: 0 before, 1 after", {10, 1, 0, 4, 1000}},
      {"dying control groups: 0 before, 7 after", {10, 0, 7, 4, 1000}},
      {"open files: 1000 before, 1065 after", {10, 0, 0, 4, 1065}},
  };
  for (const Case& one : cases) EXPECT_EQ(difference(kBefore, one.after, 64), one.words);
}

TEST(RcuStormChecksTest, AGracePeriodHasItsLimit) {
  EXPECT_EQ(too_late(20, 20), "");
  EXPECT_THAT(too_late(20.1, 20), HasSubstr("20.1 s in which all CPUs ran, more than 20 s"));
}

}  // namespace
}  // namespace ktrial::workload
