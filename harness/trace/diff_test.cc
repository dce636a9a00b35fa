#include "harness/trace/diff.h"

#include <gmock/gmock.h>

#include "harness/trace/fake_history.h"

namespace ktrial::trace {
namespace {
using testing::AllOf;
using testing::Contains;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

// `rounds` of: idle -> worker -> idle. Pids and numbers differ from run to run.
History healthy(int pid, int rounds) {
  History out;
  out.names[pid] = "kworker/u8:" + std::to_string(pid);
  for (int i = 0; i < rounds; ++i) {
    out.moments.push_back(switch_at(0, static_cast<std::uint64_t>(20 * i), 0, pid));
    out.moments.push_back(switch_at(0, static_cast<std::uint64_t>(20 * i + 10), pid, 0));
  }
  return out;
}

History wedged() {
  History out = healthy(7, 100);
  out.names[8] = "vfork";
  out.names[9] = "vfork";
  out.moments.push_back(fork_at(3, 5000, 8, 9));
  out.moments.push_back(switch_at(0, 6000, 8, 0, true));
  return out;
}

auto named(const std::string& what) { return Contains(Field(&Trait::what, what)); }

TEST(DiffTest, WhatOnlyTheFailingRunDoesIsNamed) {
  const Diff diff = compare(wedged(), {healthy(11, 100), healthy(12, 90)});
  EXPECT_THAT(diff.only_failing, named("never ran: vfork -> vfork"));
  EXPECT_THAT(diff.only_failing, named("leaves in state D: vfork"));
  EXPECT_THAT(diff.only_failing, named("event sched_process_fork"));
  EXPECT_THAT(diff.only_failing, named("switch vfork -> idle"));
  EXPECT_THAT(diff.only_failing, Not(named("switch idle -> kworker/uN:N")));
  EXPECT_THAT(diff.shifted, IsEmpty()) << "it differs by chance";
  EXPECT_THAT(diff.only_passing, IsEmpty());
  EXPECT_THAT(to_text(diff),
              AllOf(HasSubstr("only when it failed"), HasSubstr("on CPU 3, 0.0000")));
}

TEST(DiffTest, EqualRunsDoNotDiffer) {
  const Diff diff = compare(healthy(3, 50), {healthy(4, 500)});
  EXPECT_THAT(diff.only_failing, IsEmpty());
  EXPECT_THAT(diff.shifted, IsEmpty());
  EXPECT_THAT(to_text(diff), HasSubstr("no difference"));
}

TEST(DiffTest, AFrequencyThatIsNotByChanceIsToldTheMostSurprisingFirst) {
  History failing = healthy(3, 100), passing = healthy(4, 100);
  const auto add = [](History& to, const char* name, int times) {
    for (int i = 0; i < times; ++i) to.moments.push_back({.event = name});
  };
  add(failing, "often", 90);
  add(passing, "often", 10);
  add(failing, "alike", 20);
  add(passing, "alike", 22);
  add(failing, "more", 40);
  add(passing, "more", 10);
  const Diff diff = compare(failing, {passing});
  ASSERT_GE(diff.shifted.size(), 2u);
  EXPECT_EQ(diff.shifted[0].what, "event often");
  EXPECT_THAT(diff.shifted, Not(named("event alike")));
  EXPECT_GT(diff.shifted[0].failing_share, diff.shifted[0].passing_share);
}

TEST(DiffTest, PairsOfFunctionsAreCompared) {
  History failing, passing;
  failing.moments = {{.event = "function", .text = "mm_get_cid <-__schedule"},
                     {.event = "function", .text = "schedule <-- worker"}};
  passing.moments = {{.event = "function", .text = "schedule <-worker"}, {.event = "function"}};
  const Diff diff = compare(failing, {passing});
  EXPECT_THAT(diff.only_failing, named("call __schedule -> mm_get_cid"));
}

TEST(DiffTest, WhatIsDoubtfulIsNotCounted) {
  History failing = healthy(3, 2);
  failing.moments.push_back({.doubtful = true, .event = "odd"});
  EXPECT_THAT(compare(failing, {healthy(3, 2)}).only_failing, IsEmpty());
}

TEST(DiffTest, TheWorkloadBeginsWithItsFirstExec) {
  History history = healthy(3, 5);
  EXPECT_EQ(of_workload(history).moments.size(), 10u);
  history.moments.insert(history.moments.begin() + 4,
                         {{.pid = 1, .event = "sched_process_exec", .text = "filename=/init"},
                          {.pid = 9, .event = "sched_process_exec", .text = "filename=/w"}});
  EXPECT_EQ(of_workload(history).moments.size(), 7u);
  EXPECT_EQ(of_workload(history).task(3), "kworker/u8:3/3");
}

TEST(DiffTest, NumbersInNamesDoNotCount) {
  EXPECT_EQ(without_numbers("kworker/u8:31"), "kworker/uN:N");
  EXPECT_EQ(without_numbers("sh"), "sh");
  EXPECT_EQ(without_numbers(""), "");
}

}  // namespace
}  // namespace ktrial::trace
