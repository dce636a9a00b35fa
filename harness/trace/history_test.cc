#include "harness/trace/history.h"

#include <gmock/gmock.h>

namespace ktrial::trace {
namespace {
using testing::ElementsAre;

constexpr char kText[] =
    "# source: RAM\n"
    "# PARTIAL: CPU 1: 5 of 6 events\n"
    "# running: 0=0 1=12\n"
    "          <idle>-0       [000]     1.000001: sched_switch: prev_comm=swapper/0 prev_pid=0 "
    "prev_prio=120 prev_state=R ==> next_comm=my [3] x next_pid=12 next_prio=120\n"
    "        my [3] x-12      [001]     1.000002: sched_process_fork: comm=my [3] x pid=12 "
    "child_comm=my [3] x child_pid=13\n"
    "        my [3] x-12      [001]     1.000003: sched_switch: prev_comm=my [3] x prev_pid=12 "
    "prev_prio=120 prev_state=D|K ==> next_comm=a b next_pid=14 next_prio=120  <uncommitted>\n"
    "             a b-14      [001]     1.000004: sched_process_exit: comm=a b pid=14  "
    "<consumed>\n";

TEST(HistoryTest, ATextIsReadWithWhatItsEventsSay) {
  const History history = read_text(kText);
  ASSERT_EQ(history.moments.size(), 4u);
  EXPECT_EQ(history.source, "RAM");
  EXPECT_THAT(history.missing, ElementsAre("CPU 1: 5 of 6 events"));
  EXPECT_EQ(history.running, (std::map<unsigned, int>{{0, 0}, {1, 12}}));
  const auto& all = history.moments;
  EXPECT_EQ(all[0].act, Act::task_switch);
  EXPECT_EQ(all[0].to, 12);
  EXPECT_FALSE(all[0].to_sleep);
  EXPECT_EQ(all[1].act, Act::fork);
  EXPECT_EQ(all[1].from, 12);
  EXPECT_EQ(all[1].to, 13);
  EXPECT_TRUE(all[2].to_sleep);
  EXPECT_TRUE(all[2].doubtful);
  EXPECT_EQ(all[3].event, "sched_process_exit");
  EXPECT_EQ(all[3].text, "comm=a b pid=14");
  EXPECT_EQ(all[3].cpu, 1u);
  EXPECT_EQ(all[3].ns, 1000004000u);
  EXPECT_EQ(history.task(13), "my [3] x/13");
  EXPECT_EQ(history.task(14), "a b/14");
  EXPECT_EQ(history.task(0), "idle");
}

TEST(HistoryTest, ItsOwnTextReadsTheSame) {
  History history = read_text(kText);
  history.source = "console";
  const History again = read_text(to_text(history));
  EXPECT_EQ(to_text(again), to_text(history));
  EXPECT_EQ(again.source, "console");
  EXPECT_EQ(again.missing, history.missing);
  EXPECT_TRUE(again.moments[2].doubtful);
}

TEST(HistoryTest, AFormatThatCouldNotBePrintedIsUnderstood) {
  Moment one{.event = "sched_switch",
             .text = "prev_comm=t prev_pid=1 prev_prio=120 prev_state=2 next_comm=u next_pid=5"};
  std::map<int, std::string> names;
  understand(one, names);
  EXPECT_EQ(one.act, Act::task_switch);
  EXPECT_TRUE(one.to_sleep);
  EXPECT_EQ(names.at(5), "u");
}

TEST(HistoryTest, WhatIsNoEventIsPassedOver) {
  for (const char* text : {"", "# x\n", "nothing\n", " [000] 1.000001: x: y\n", "a-b [000]",
                           "a-1 [000]     1.000001:\n", "# running: 1 2=x\n"})
    EXPECT_TRUE(read_text(text).moments.empty()) << text;
  Moment cut{.event = "sched_switch", .text = "prev_comm=t prev_pid=1 prev_prio=120 prev_st"};
  std::map<int, std::string> names;
  understand(cut, names);
  EXPECT_EQ(cut.act, Act::other);
}

}  // namespace
}  // namespace ktrial::trace
