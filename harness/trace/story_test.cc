#include "harness/trace/story.h"

#include <gmock/gmock.h>

#include "harness/trace/fake_history.h"

namespace ktrial::trace {
namespace {
using testing::SizeIs;

// As the mm_cid bug leaves it: 10 makes 11 by vfork and waits; 11 never runs. CPU 1 is in
// the midst of a switch to 12.
History wedged() {
  History out;
  out.names = {{10, "parent"}, {11, "child"}, {12, "other"}};
  out.source = "RAM";
  out.running = {{0, 0}, {1, 0}};
  out.moments = {switch_at(0, 1000, 0, 10),
                 fork_at(0, 2000, 10, 11),
                 switch_at(0, 2500, 10, 0, true),
                 switch_at(1, 3000, 0, 12),
                 {.cpu = 2, .ns = 5000, .pid = 12, .event = "sched_process_exec", .text = "f"}};
  return out;
}

TEST(StoryTest, AVforkChildThatNeverRanIsNamedAndItsParentIsHeldOff) {
  const auto story = tell(wedged());
  ASSERT_THAT(story.forks, SizeIs(1));
  EXPECT_EQ(story.forks[0].child, "child/11");
  EXPECT_EQ(story.forks[0].parent, "parent/10");
  EXPECT_FALSE(story.forks[0].ran);
  EXPECT_TRUE(story.forks[0].parent_waits);
  ASSERT_THAT(story.held_off, SizeIs(1));
  EXPECT_EQ(story.held_off[0].task, "parent/10");
  EXPECT_EQ(story.held_off[0].child, "child/11");
  EXPECT_FALSE(story.held_off[0].child_ran);
}

TEST(StoryTest, EveryCpuHasItsLastEventAndItsLongestGap) {
  const auto story = tell(wedged());
  ASSERT_THAT(story.cpus, SizeIs(3));
  EXPECT_EQ(story.cpus[0].last, "parent/10: switch to idle");
  EXPECT_FALSE(story.cpus[0].unfinished);
  EXPECT_DOUBLE_EQ(story.cpus[0].gap_s, 1e-6) << "a busy one before the idle, longer one";
  EXPECT_FALSE(story.cpus[0].gap_idle);
  EXPECT_EQ(story.cpus[1].last, "idle: switch to other/12");
  EXPECT_TRUE(story.cpus[1].unfinished) << "the kernel still has idle there";
  EXPECT_DOUBLE_EQ(story.cpus[1].gap_s, 2e-6);
  EXPECT_TRUE(story.cpus[1].gap_open);
  EXPECT_EQ(story.cpus[2].last, "other/12: sched_process_exec: f");
  EXPECT_DOUBLE_EQ(story.begin_s, 1e-6);
  EXPECT_DOUBLE_EQ(story.end_s, 5e-6);
  EXPECT_EQ(story.events, 5u);
}

TEST(StoryTest, ALongTraceMakesAShortStory) {
  History history;
  for (unsigned i = 0; i < 1000; ++i) {
    history.moments.push_back(fork_at(i, 10 * i, 1, 1000 + static_cast<int>(i)));
    history.moments.push_back(switch_at(i, 10 * i + 1, 5000 + static_cast<int>(i), 0, true));
  }
  const auto story = tell(history);
  EXPECT_THAT(story.forks, SizeIs(8));
  EXPECT_THAT(story.cpus, SizeIs(64));
  EXPECT_THAT(story.held_off, SizeIs(8));
  EXPECT_EQ(story.forks.back().child, "?/1999");
}

TEST(StoryTest, ADoubtfulEventIsNoLastOne) {
  History history = wedged();
  history.moments.back().cpu = 1;
  history.moments.back().doubtful = true;
  EXPECT_EQ(tell(history).cpus[1].last, "idle: switch to other/12");
}

TEST(StoryTest, NothingIsToldOfNothing) { EXPECT_TRUE(tell({}).empty()); }

}  // namespace
}  // namespace ktrial::trace
