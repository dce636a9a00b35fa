#include "harness/trace/slice.h"

#include <gmock/gmock.h>

namespace ktrial::trace {
namespace {

constexpr char kTrace[] =
    "# two CPUs\n"
    "          <idle>-0       [000]     1.000001: sched_switch: a\n"
    "     task [3] x-12       [001]    12.500000: sched_switch: b\n"
    "        kthread-2        [000]    12.500001: sched_process_fork: c  <uncommitted>\n";

TEST(SliceTest, ALineHasItsPlace) {
  EXPECT_EQ(place_of("          <idle>-0       [000]     1.000001: sched_switch: a"),
            (LinePlace{0, 1000001, 24}));
  EXPECT_EQ(place_of("     task [3] x-12       [001]    12.500000: sched_switch: b"),
            (LinePlace{1, 12500000, 24}))
      << "by a task's odd name";
  for (const char* line : {"", "# [000] 1.000001: x", "a [000]", "a [x]  1.000000: b",
                           "a [000] 1.5: b", "a [000] 99999999999999999999.000000: b"})
    EXPECT_EQ(place_of(line), std::nullopt) << line;
}

TEST(SliceTest, CpuAndTimeSelect) {
  EXPECT_EQ(cut(kTrace, {}, true), kTrace);
  EXPECT_EQ(cut(kTrace, {.cpu = 1}, false),
            "     task [3] x-12       [001]    12.500000: sched_switch: b\n");
  EXPECT_EQ(cut(kTrace, {.cpu = 0, .from_us = 12500001}, false),
            "        kthread-2        [000]    12.500001: sched_process_fork: c  <uncommitted>\n");
  EXPECT_EQ(cut(kTrace, {.to_us = 999}, true), "# two CPUs\n");
  EXPECT_EQ(cut(kTrace, {.cpu = 7}, false), "");
}

TEST(SliceTest, TheEndIsTheLatestEvent) {
  EXPECT_EQ(end_us(kTrace), 12500001u);
  EXPECT_EQ(end_us("# nothing\n"), std::nullopt);
}

TEST(SliceTest, TheLogsStampIsRead) {
  EXPECT_EQ(stamp_us("[   12.345678] rcu: INFO"), 12345678u);
  EXPECT_EQ(stamp_us("[    1.000001][    T1] init"), 1000001u);
  EXPECT_EQ(stamp_us("<4>[    1.000001] x"), 1000001u);
  EXPECT_EQ(stamp_us("no stamp"), std::nullopt);
  EXPECT_EQ(stamp_us("[cut"), std::nullopt);
}

TEST(SliceTest, TheTracesClockIsAheadByWhatTheKernelTells) {
  const std::string log =
      "[    4.345668] sched_clock: Marking stable (3976958402, 368435187)->(6413753267, "
      "-2068359678)\r\n[    5.000000] x\n";
  EXPECT_EQ(clock_lead_us(log), 2068359);
  EXPECT_EQ(trace_time_us(5000000, clock_lead_us(log)), 7068359u);
  EXPECT_EQ(trace_time_us(5, -7), 0u);
  for (const char* other : {"", "sched_clock: Marking", "sched_clock: Marking stable (1, 2",
                            "sched_clock: Marking stable (1, -99999999999999999)"})
    EXPECT_EQ(clock_lead_us(other), 0) << other;
}

}  // namespace
}  // namespace ktrial::trace
