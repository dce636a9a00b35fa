#include "workloads/int3-poke/checks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ktrial::workload {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(KprobeProfileTest, IsHitsAndMissesByName) {
  const auto counts = parse_kprobe_profile(
      "  counted_entry                                          9020               0\n"
      "  counted_return                                         9017               3\n");
  ASSERT_TRUE(counts);
  EXPECT_EQ(counts->size(), 2u);
  EXPECT_EQ(counts->at("counted_return").hits, 9017u);
  EXPECT_EQ(counts->at("counted_return").misses, 3u);
  EXPECT_TRUE(parse_kprobe_profile("")->empty());
}

TEST(KprobeProfileTest, WhatIsNoneIsRefused) {
  for (const char* bad : {"name", "name 1", "name 1 x", "name -1 0", "name 1 2 3",
                          "a 1 2\nb 99999999999999999999 0\n"})
    EXPECT_FALSE(parse_kprobe_profile(bad)) << bad;
}

TEST(CountTest, EachCallIsAHitOrAMiss) {
  EXPECT_EQ(check_count("p", 100, {5, 0}, {105, 0}), "");
  EXPECT_EQ(check_count("p", 100, {5, 1}, {98, 8}), "");
  EXPECT_EQ(check_count("p", 0, {5, 1}, {5, 1}), "");
}

TEST(CountTest, ALostCallIsFound) {
  EXPECT_EQ(check_count("p f", 100, {5, 0}, {104, 0}),
            "p f: calls were lost, 100 calls, 99 hits and 0 misses");
  EXPECT_THAT(check_count("p", 100, {0, 0}, {90, 5}), HasSubstr("lost"));
  EXPECT_THAT(check_count("p", 100, {0, 0}, {0, 0}), HasSubstr("lost"));
}

TEST(CountTest, ACallCountedTwiceIsFound) {
  EXPECT_THAT(check_count("p", 100, {0, 0}, {101, 0}), HasSubstr("too many"));
  EXPECT_THAT(check_count("p", 100, {0, 0}, {99, 2}), HasSubstr("too many"));
  EXPECT_THAT(check_count("p", 100, {0, 0}, {0, ~0ULL}), HasSubstr("too many"));
}

TEST(CountTest, ACountThatGoesBackIsFound) {
  EXPECT_THAT(check_count("p", 100, {5, 0}, {4, 0}), HasSubstr("went back"));
  EXPECT_THAT(check_count("p", 100, {5, 3}, {105, 2}), HasSubstr("went back"));
}

// The misses are counted without an atomic operation, by the kernel.
TEST(CountTest, SomeMissesMayBeMissing) { EXPECT_EQ(check_count("p", 100, {0, 0}, {90, 8}), ""); }

TEST(LedgerTest, EnabledAsOftenAsDisabled) {
  EXPECT_THAT(check_ledgers({{"tracer", 3, 3, {}}, {"probes", 0, 0, {}}}), IsEmpty());
  EXPECT_THAT(check_ledgers({{"tracer", 3, 2, {}}, {"probes", 4, 4, {}}}),
              ElementsAre("tracer: enabled 3 times, disabled 2 times"));
}

TEST(TimesTest, AreThoseOfAllLedgers) {
  std::vector<double> quick(199, 0.1);
  const Times times = times_of({{"a", 0, 0, quick}, {"b", 0, 0, {7}}});
  EXPECT_EQ(times.count, 200u);
  EXPECT_DOUBLE_EQ(times.p99, 0.1);
  EXPECT_DOUBLE_EQ(times.longest, 7);
  EXPECT_EQ(times_of({}).count, 0u);
}

TEST(TimesTest, ASwitchThatLastsIsFound) {
  EXPECT_EQ(check_times({200, 0.1, 7}, 20), "");
  EXPECT_EQ(check_times({200, 0.1, 21}, 20), "a switch took 21.0 s, more than 20.0 s");
  EXPECT_THAT(check_times({200, 6, 7}, 20), HasSubstr("one switch in a hundred took 6.0 s"));
  EXPECT_EQ(check_times({20, 6, 7}, 20), "") << "too few for a hundredth";
}

TEST(StateTest, WhatIsLeftIsFound) {
  const State expected = {{"kprobe_events", ""}, {"current_tracer", "nop"}};
  EXPECT_THAT(check_state(expected, expected), IsEmpty());
  EXPECT_THAT(check_state(expected, {{"kprobe_events", "p:a/b c\nr:a/d e\n"}}),
              ElementsAre("current_tracer is gone",
                          "kprobe_events holds \"p:a/b c r:a/d e\" in place of \"\""));
  EXPECT_THAT(check_state(expected, {{"kprobe_events", ""}, {"current_tracer", "function"}}),
              ElementsAre("current_tracer holds \"function\" in place of \"nop\""));
}

}  // namespace
}  // namespace ktrial::workload
