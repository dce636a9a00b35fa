#include "workloads/common/census.h"

#include <gmock/gmock.h>

namespace ktrial::workload {
namespace {
using ::testing::HasSubstr;

TEST(CensusTest, TheKernelsFilesAreRead) {
  EXPECT_EQ(count_lines(""), 0);
  EXPECT_EQ(count_lines("1 a\n2 b\n"), 2);
  constexpr char kStat[] = "nr_descendants 3\nnr_subsys_cpu 4\nnr_dying_descendants 12\n";
  EXPECT_EQ(value_of(kStat, "nr_descendants"), 3);
  EXPECT_EQ(value_of(kStat, "nr_dying_descendants"), 12);
  EXPECT_EQ(value_of(kStat, "nr_dying"), std::nullopt) << "not a whole word";
  EXPECT_EQ(value_of("Mlocked:        4096 kB\n", "Mlocked:"), 4096);
  EXPECT_EQ(value_of("Mlocked:   \n", "Mlocked:"), std::nullopt);
  EXPECT_EQ(value_of("nr_descendants x\n", "nr_descendants"), std::nullopt);
  EXPECT_EQ(value_of("", "nr_descendants"), std::nullopt);
  EXPECT_EQ(first_number("1056\t0\t9223372036854775807\n"), 1056);
  EXPECT_EQ(first_number("-1"), std::nullopt);
  EXPECT_EQ(first_number("99999999999999999999"), std::nullopt);
}

constexpr Census kBefore{.mounts = 10, .groups = 0, .dying = 0, .cpus = 4, .files = 1000};
constexpr Slack kSlack{.files = 64, .kb = 100};

TEST(CensusTest, WhatComesBackIsHealthy) {
  EXPECT_EQ(difference(kBefore, kBefore, {}), "");
  Census after = kBefore;
  after.files = 1064;
  after.mlocked = after.shmem = 100;
  EXPECT_EQ(difference(kBefore, after, kSlack), "");
  after.files = 5;
  EXPECT_EQ(difference(kBefore, after, kSlack), "") << "fewer files are none of ours";
}

TEST(CensusTest, EachThatDoesNotComeBackIsNamed) {
  struct Case {
    const char* words;
    Census after;
  };
  const Case cases[] = {
      {"CPUs online: 4 before, 3 after", {10, 0, 0, 3, 1000, 0, 0}},
      {"mounts: 10 before, 11 after", {11, 0, 0, 4, 1000, 0, 0}},
      {"mounts: 10 before, 9 after", {9, 0, 0, 4, 1000, 0, 0}},
      {"control groups: 0 before, 1 after", {10, 1, 0, 4, 1000, 0, 0}},
      {"dying control groups: 0 before, 7 after", {10, 0, 7, 4, 1000, 0, 0}},
      {"open files: 1000 before, 1065 after", {10, 0, 0, 4, 1065, 0, 0}},
      {"kB of locked memory: 0 before, 101 after", {10, 0, 0, 4, 1000, 101, 0}},
      {"kB in tmpfs: 0 before, 101 after", {10, 0, 0, 4, 1000, 0, 101}},
  };
  for (const Case& one : cases) EXPECT_EQ(difference(kBefore, one.after, kSlack), one.words);
}

TEST(CensusTest, ATurnHasItsLimit) {
  EXPECT_EQ(too_late("a grace period", 20, 20), "");
  EXPECT_THAT(too_late("a grace period", 20.1, 20),
              HasSubstr("a grace period took 20.1 s in which all CPUs ran, more than 20 s"));
}

}  // namespace
}  // namespace ktrial::workload
