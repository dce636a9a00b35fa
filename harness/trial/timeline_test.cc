#include "harness/trial/timeline.h"

#include <gmock/gmock.h>

namespace ktrial::trial {
namespace {
using namespace std::chrono_literals;
using trace::Mark;
using trace::Track;

constexpr std::uint64_t kSecond = 1'000'000'000;

// A guest that began at host second 100; its trace's clock is 3 s ahead of its uptime. What it
// sends takes 5 ms, or longer where a test says so.
class TimelineTest : public testing::Test {
 protected:
  static Timeline::Time host(double s) {
    return Timeline::Time(std::chrono::duration_cast<std::chrono::nanoseconds>(
        std::chrono::duration<double>(100 + s)));
  }
  static std::uint64_t ns(double s) { return static_cast<std::uint64_t>(s * 1e9); }
  void pair(double uptime, double late = .005) {
    timeline.clocks(host(uptime + late), {ns(uptime), ns(uptime) + 3 * kSecond, 1000});
  }
  void beat(unsigned cpu, double uptime, double late = .005) {
    timeline.beat(host(uptime + late), {cpu, 0, ns(uptime)});
  }
  std::vector<Mark> on(Track track, double now,
                       const std::vector<autopsy::HostTrouble>& troubles = {}) {
    auto all = timeline.marks(troubles, host(now));
    std::erase_if(all, [&](const Mark& mark) { return mark.track != track; });
    return all;
  }
  static double seconds(std::uint64_t ns) { return static_cast<double>(ns) / 1e9; }
  Timeline timeline;
};

TEST_F(TimelineTest, BeatsAreWhereTheTracesClockWas) {
  pair(5);
  beat(1, 5.5);
  const auto beats = on(Track::beats, 6);
  ASSERT_EQ(beats.size(), 1u);
  EXPECT_EQ(beats[0].ns, ns(8.5));
  EXPECT_EQ(beats[0].cpu, 1);
}

TEST_F(TimelineTest, ASilentCpuIsShownFromItsLastBeatOn) {
  pair(5);
  for (double s : {1., 2., 7., 8.}) beat(0, s);
  for (double s : {1., 2., 3., 4., 5., 6., 7., 8., 9., 10., 11., 12.}) beat(1, s);
  std::vector<Mark> spans;
  for (const Mark& mark : on(Track::beats, 12.5))
    if (mark.until_ns != 0) spans.push_back(mark);
  ASSERT_EQ(spans.size(), 2u);
  EXPECT_EQ(spans[0].cpu, 0);
  EXPECT_EQ(spans[0].text, "no beat for 5.0 s");
  EXPECT_EQ(spans[0].ns, ns(5));
  EXPECT_EQ(spans[0].until_ns, ns(10));
  EXPECT_EQ(spans[1].cpu, 0);
  EXPECT_EQ(spans[1].ns, ns(11));
  EXPECT_EQ(spans[1].text, "no beat for 4.5 s, nor later");
}

TEST_F(TimelineTest, TheQuickestMessageNearbyTellsTheHostsClock) {
  pair(5);
  beat(0, 6, 2.5);  // the guest got no CPU
  beat(0, 9);
  const auto at = timeline.trace_ns(host(8.5));
  ASSERT_TRUE(at);
  EXPECT_NEAR(seconds(*at), 8.5 + 3, .0051);
  EXPECT_LE(seconds(*at), 8.5 + 3) << "too early, never too late";
}

TEST_F(TimelineTest, ClocksThatDriftAreFollowed) {
  for (int s = 0; s <= 100; ++s)  // the trace's clock runs a hundredth fast
    timeline.clocks(host(s), {ns(s), ns(s * 1.01), 0});
  EXPECT_NEAR(seconds(*timeline.trace_ns(ns(50.4))), 50.904, .005);
  EXPECT_NEAR(seconds(*timeline.trace_ns(host(100))), 101, .001);
}

TEST_F(TimelineTest, PhasesFollowEachOtherUpToNow) {
  timeline.phase(host(-1), "boot");
  pair(4);
  timeline.phase(host(4), "workload");
  timeline.progress(host(6), {3, 9, "rounds"});
  const auto phases = on(Track::phases, 10);
  ASSERT_EQ(phases.size(), 2u);
  EXPECT_EQ(phases[0].text, "boot");
  EXPECT_NEAR(seconds(phases[0].ns), 2, .01) << "before the guest counted its uptime";
  EXPECT_EQ(phases[0].until_ns, phases[1].ns);
  EXPECT_NEAR(seconds(phases[1].ns), 7, .01);
  EXPECT_NEAR(seconds(phases[1].until_ns), 13, .01);
  const auto progress = on(Track::progress, 10);
  ASSERT_EQ(progress.size(), 1u);
  EXPECT_EQ(progress[0].text, "3 of 9: rounds");
  EXPECT_NEAR(seconds(progress[0].ns), 9, .01);
}

TEST_F(TimelineTest, WhatTheHostDidIsOnTheSameClock) {
  pair(4);
  const auto marks = on(Track::host, 10, {{host(6), host(7), 2, "waited"}});
  ASSERT_EQ(marks.size(), 1u);
  EXPECT_EQ(marks[0].cpu, 2);
  EXPECT_NEAR(seconds(marks[0].ns), 9, .01);
  EXPECT_NEAR(seconds(marks[0].until_ns), 10, .01);
}

TEST_F(TimelineTest, NothingIsPlacedAfterTheMachineWasPaused) {
  timeline.phase(host(0), "boot");
  pair(4);
  beat(0, 4);
  timeline.phase(host(9), "late evidence");
  timeline.stop(host(9));
  timeline.stop(host(11));
  EXPECT_EQ(on(Track::phases, 12).size(), 1u);
  for (const Mark& mark : timeline.marks({{host(9.5), host(10), 2, "waited"}}, host(12)))
    EXPECT_LE(seconds(std::max(mark.ns, mark.until_ns)), 12.001) << mark.text;
}

TEST_F(TimelineTest, AGuestThatNeverToldItsClockHasNoMarks) {
  timeline.phase(host(0), "boot");
  beat(0, 1);
  EXPECT_TRUE(timeline.marks({{host(6), host(7), 2, "waited"}}, host(9)).empty());
  EXPECT_FALSE(timeline.trace_ns(host(1)));
}

TEST_F(TimelineTest, AGuestThatLiesCostsBoundedMemoryAndNoCrash) {
  const std::uint64_t lies[] = {0, 1, ~0ull, ~0ull >> 1, 1ull << 60, 7};
  for (unsigned i = 0; i < 200000; ++i) {
    const std::uint64_t lie = lies[i % 6] + i;
    timeline.beat(host(i * 1e-3), {i % 5000, i, lie});
    timeline.clocks(host(i * 1e-3), {lie, lies[(i / 6) % 6], lie});
    timeline.progress(host(i * 1e-3), {lie, lie, std::string(5000, 'x')});
    timeline.phase(host(i * 1e-3), "p");
  }
  const auto marks = timeline.marks({}, host(300));
  EXPECT_LT(marks.size(), 150000u);
  for (const Mark& mark : marks) EXPECT_TRUE(mark.until_ns == 0 || mark.until_ns > mark.ns);
}

}  // namespace
}  // namespace ktrial::trial
