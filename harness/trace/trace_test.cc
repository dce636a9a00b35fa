#include "harness/trace/trace.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "harness/base/command.h"
#include "harness/base/file.h"
#include "harness/trace/fake_trace.h"
#include "harness/trace/history.h"
#include "harness/trace/printer.h"
#include "harness/trace/writers.h"

namespace ktrial::trace {
namespace {
using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

// CPU 0: task 1 makes 2 and waits for it in state D, idle from there. CPU 1: idle, task 3
// makes 4, which runs; then a millisecond of nothing.
class TraceTest : public testing::Test {
 protected:
  TraceTest() {
    PageBuilder first(1000), second(1500);
    first.data(0, FakeTrace::fork_event(1, 2)).data(100, FakeTrace::switch_event(1, 'D', 0));
    second.data(0, FakeTrace::switch_event(0, 'R', 3))
        .data(10, FakeTrace::fork_event(3, 4))
        .data(10, FakeTrace::switch_event(3, 'S', 4))
        .data(1000000, FakeTrace::switch_event(4, 'R', 0));
    fake.add_ring({.cpu = 0, .pages = {first}, .entries = 2});
    fake.add_ring({.cpu = 1, .pages = {second}, .entries = 4});
  }
  Trace read() {
    auto trace = read_trace(fake.view());
    EXPECT_TRUE(trace) << trace.error().message;
    if (!trace) return {};
    print_events(*trace);
    return std::move(*trace);
  }
  FakeTrace fake;
};

TEST_F(TraceTest, FormatsAreWrittenAsTracefsDoes) {
  const Trace trace = read();
  const Format* format = trace.formats.find("sched_process_fork");
  ASSERT_NE(format, nullptr);
  EXPECT_EQ(format->id, FakeTrace::kFork);
  EXPECT_EQ(format->text(),
            "name: sched_process_fork\nID: 11\nformat:\n"
            "\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"
            "\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;\n"
            "\tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;\n"
            "\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n"
            "\tfield:char parent_comm[16];\toffset:8;\tsize:16;\tsigned:0;\n"
            "\tfield:pid_t parent_pid;\toffset:24;\tsize:4;\tsigned:1;\n"
            "\tfield:char child_comm[16];\toffset:28;\tsize:16;\tsigned:0;\n"
            "\tfield:pid_t child_pid;\toffset:44;\tsize:4;\tsigned:1;\n\n"
            "print fmt: \"child_pid=%d\", REC->child_pid\n");
}

TEST_F(TraceTest, EventsArePrintedAsTheirFormatSays) {
  const Trace trace = read();
  const auto events = trace.by_time();
  ASSERT_EQ(events.size(), 6u);
  EXPECT_EQ(event_name(trace, *events[1]), "sched_switch");
  EXPECT_EQ(event_text(trace, *events[1]), "task1:1 D ==> swapper:0");
  EXPECT_EQ(event_text(trace, *events[2]), "swapper:0 R ==> task3:3");
}

TEST_F(TraceTest, AFormatNotToBeTrustedIsPrintedFieldByField) {
  const std::uint64_t print = fake.reserve(4096);
  fake.put(print, "\"x\", " + std::string(3000, '('));
  fake.put64(fake.switch_call + 40, print);
  const Trace trace = read();
  EXPECT_EQ(event_text(trace, *trace.by_time()[1]),
            "prev_comm=task1 prev_pid=1 prev_prio=120 prev_state=2 next_comm=swapper next_pid=0 "
            "next_prio=120");
}

// libtraceevent 1.7.1 takes no care of memory for some of these.
TEST_F(TraceTest, FormatsThatMakeNoSenseCostTheirTextOnly) {
  for (const char* print : {"\"%s\", __get_str(", "\"%d\", REC->", "\"%p\", __print_flags(",
                            "\"%*.*s\"", "\"%d\", (((((REC->prev_pid", "\"", "REC->x ? : : "}) {
    const std::uint64_t at = fake.reserve(64);
    fake.put(at, print);
    fake.put64(fake.switch_call + 40, at);
    const Trace trace = read();
    EXPECT_EQ(trace.count(), 6u) << print;
    EXPECT_EQ(trace.texts.size(), 6u) << print;
    EXPECT_EQ(event_text(trace, *trace.by_time()[0]), "child_pid=2") << print;
  }
}

TEST_F(TraceTest, AnEventShorterThanItsFormatIsPrintedAsFarAsItGoes) {
  const Trace trace = read();
  Event event = *trace.by_time()[1];
  event.data = event.data.first(30);
  EXPECT_EQ(event_text(trace, event),
            "prev_comm=task1 prev_pid=1 prev_prio=? prev_state=? next_comm=? next_pid=? "
            "next_prio=?");
}

TEST_F(TraceTest, AChildThatNeverRanIsToldFromOneThatDid) {
  const auto all = births(history_of(read(), false));
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].child, 2);
  EXPECT_EQ(all[0].parent, 1);
  EXPECT_FALSE(all[0].ran);
  EXPECT_TRUE(all[0].parent_waits);
  EXPECT_TRUE(all[1].ran);
  EXPECT_FALSE(all[1].parent_waits);
}

TEST_F(TraceTest, ATaskInStateDThatDidNotComeBackIsHeldOff) {
  const auto all = held_off(history_of(read(), false));
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].pid, 1);
  EXPECT_EQ(all[0].since_ns, 1100u);
}

TEST_F(TraceTest, BusyGapsComeBeforeIdleOnesTheLongestFirst) {
  const auto gaps = longest_gaps(history_of(read(), false), 2);
  ASSERT_EQ(gaps.size(), 2u);
  EXPECT_EQ(gaps[0].cpu, 1u);
  EXPECT_EQ(gaps[0].to_ns - gaps[0].from_ns, 1000000u);
  EXPECT_FALSE(gaps[0].idle);
  EXPECT_EQ(longest_gaps(history_of(read(), false), 99).back().cpu, 0u);
  EXPECT_TRUE(longest_gaps(history_of(read(), false), 99).back().idle);
  EXPECT_TRUE(longest_gaps(history_of(read(), false), 99).back().open);
}

TEST_F(TraceTest, TheSummaryTellsWhatMatters) {
  const auto lines = summary(read());
  EXPECT_THAT(lines, Contains(HasSubstr("complete: as many as the kernel counted")));
  EXPECT_THAT(lines, Contains(HasSubstr("CPU 0 0.000001 s")));
  EXPECT_THAT(lines, Contains("  task2/2 at 0.000001 s on CPU 0 by task1/1, which waits for it in "
                              "state D (vfork)"));
  EXPECT_THAT(lines, Contains(AllOf(HasSubstr("task1/1 at"), HasSubstr("which never ran"))));
}

TEST_F(TraceTest, WhatIsMissingIsSaidInTheSummary) {
  fake.put64(fake.nodes[0], 0);
  fake.add_ring({.cpu = 0, .pages = {PageBuilder(0)}, .entries = 7});
  EXPECT_THAT(summary(read()), Contains("PARTIAL: CPU 0: 0 of 7 events"));
}

TEST_F(TraceTest, TheTextIsInTheOrderOfTime) {
  std::istringstream stream(to_text(read()));
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);)
    if (!line.starts_with('#')) lines.push_back(line);
  ASSERT_EQ(lines.size(), 6u);
  EXPECT_EQ(lines[0],
            "           task1-1       [000]     0.000001: sched_process_fork: child_pid=2");
  EXPECT_EQ(lines[5],
            "           task4-4       [001]     0.001002: sched_switch: task4:4 R ==> swapper:0");
}

TEST_F(TraceTest, TheJsonHasATrackForEachCpu) {
  const std::string text = to_perfetto_json(read(), {{1200, "a \"mark\"", -1}, {1300, "here", 1}});
  const auto json = nlohmann::json::parse(text);
  std::vector<std::string> slices, instants;
  for (const auto& event : json.at("traceEvents")) {
    const std::string phase = event.at("ph");
    EXPECT_TRUE(event.at("pid").is_number() && event.at("name").is_string());
    if (phase == "X")
      slices.push_back(event.at("name").get<std::string>() + " on " +
                       std::to_string(event.at("tid").get<int>()));
    if (phase == "i") instants.push_back(event.at("name"));
  }
  EXPECT_THAT(slices, ElementsAre("task1/1 on 1", "task3/3 on 2", "task4/4 on 2"));
  EXPECT_THAT(instants,
              ElementsAre("sched_process_fork", "sched_process_fork", "a \"mark\"", "here"));
}

TEST_F(TraceTest, TraceCmdOpensTheFile) {
  auto folder = TempDir::create("kt-trace");
  ASSERT_TRUE(folder);
  const auto file = folder->path() / "trace.dat";
  ASSERT_TRUE(write_file_atomically(file, to_trace_dat(read())));
  const auto ran = run_command({"trace-cmd", "report", "-N", "-t", file});
  if (!ran) GTEST_SKIP() << "no trace-cmd here";
  ASSERT_TRUE(ran->ok()) << ran->out << ran->err;
  EXPECT_THAT(ran->out, HasSubstr("cpus=2"));
  EXPECT_THAT(ran->out, HasSubstr("task1:1 D ==> swapper:0"));
  EXPECT_THAT(ran->out, HasSubstr("0.000001000: sched_process_fork"));
}

TEST_F(TraceTest, ATraceOfNothingIsWrittenAllTheSame) {
  FakeTrace empty;
  const auto trace = read_trace(empty.view());
  ASSERT_TRUE(trace) << trace.error().message;
  EXPECT_EQ(trace->count(), 0u);
  EXPECT_FALSE(summary(*trace).empty());
  EXPECT_TRUE(nlohmann::json::accept(to_perfetto_json(*trace, {})));
  EXPECT_FALSE(to_trace_dat(*trace).empty());
}

}  // namespace
}  // namespace ktrial::trace
