#include "harness/spec/trace_request.h"

#include <gmock/gmock.h>

#include "harness/spec/load.h"
#include "harness/spec/parse.h"
#include "harness/spec/validate.h"

namespace ktrial::spec {
namespace {
using testing::HasSubstr;

TraceRequest parsed(std::string_view text) {
  auto request = parse_trace(text);
  EXPECT_TRUE(request) << text << ": " << request.error().message;
  return request.value_or(TraceRequest{});
}
std::string refused(std::string_view text) {
  auto request = parse_trace(text);
  if (request) return "";
  EXPECT_EQ(request.error().kind, ErrorKind::usage);
  return request.error().message;
}

TEST(TraceRequestTest, EventsFiltersAndFunctions) {
  const auto request = parsed(
      "sched:sched_switch:prev_comm == \"a,b\" && (prev_pid > "
      "3),timer:*,function:vfs_*,function:do_?");
  EXPECT_EQ(request.events, (std::vector<TraceEvent>{{"sched", "sched_switch",
                                                      "prev_comm == \"a,b\" && (prev_pid > 3)", ""},
                                                     {"timer", "*", "", ""}}));
  EXPECT_EQ(request.functions, (std::vector<std::string>{"vfs_*", "do_?"}));
  EXPECT_TRUE(parsed("off").off);
  EXPECT_EQ(parsed(""), TraceRequest{});
}

TEST(TraceRequestTest, EveryPresetNamesEventsAndSaysThatItBroughtThem) {
  for (const char* preset : {"sched", "fork", "rcu", "ipi", "irq", "mmcid"}) {
    const auto request = parsed(preset);
    ASSERT_FALSE(request.events.empty()) << preset;
    for (const TraceEvent& event : request.events) EXPECT_EQ(event.preset, preset);
  }
}

TEST(TraceRequestTest, AnEventThatWasNamedKeepsItsFilterBesideAPreset) {
  for (const char* text :
       {"fork,sched:sched_process_exit:pid==1", "sched:sched_process_exit:pid==1,fork"}) {
    int found = 0;
    for (const TraceEvent& event : parsed(text).events)
      if (event.name == "sched_process_exit") {
        ++found;
        EXPECT_EQ(event.filter, "pid==1") << text;
      }
    EXPECT_EQ(found, 1) << text;
  }
}

TEST(TraceRequestTest, WhatIsNoEventIsRefused) {
  EXPECT_THAT(refused("sced"), HasSubstr("did you mean 'sched'?"));
  EXPECT_THAT(refused("sched,"), HasSubstr("'' is neither"));
  EXPECT_THAT(refused("sched:sched switch"), HasSubstr("is not SYSTEM:EVENT[:FILTER]"));
  EXPECT_THAT(refused("sched:sched_switch:"), HasSubstr("empty filter"));
  EXPECT_THAT(refused("sched:../x"), HasSubstr("is not SYSTEM:EVENT"));
  EXPECT_THAT(refused("function:"), HasSubstr("names no function"));
  EXPECT_THAT(refused("function:a b"), HasSubstr("names no function"));
  EXPECT_THAT(refused("off,sched"), HasSubstr("exclude each other"));
  EXPECT_THAT(refused("a:b,a:b:x==1"), HasSubstr("asked for twice"));
  EXPECT_THAT(refused("a:b:\n"), HasSubstr("printable"));
  EXPECT_THAT(refused(std::string(5000, 'a')), HasSubstr("printable"));
}

TEST(TraceRequestTest, ABufferHasAUnitAndABound) {
  EXPECT_EQ(parse_trace_buffer("512K").value_or(0), 512);
  EXPECT_EQ(parse_trace_buffer("4M").value_or(0), 4096);
  EXPECT_EQ(parse_trace_buffer("64MiB").value_or(0), 65536);
  for (const char* wrong : {"", "4", "4G", "-1K", "0K", "1K", "65M", "99999999999M", "M", "2.5M"})
    EXPECT_FALSE(parse_trace_buffer(wrong)) << wrong;
}

TEST(TraceRequestTest, TheBufferSuitsWhatIsTracedAndTheGuest) {
  TrialSpec spec;
  EXPECT_EQ(trace_buffer_kib(spec, {}), 512);
  EXPECT_EQ(trace_buffer_kib(spec, parsed("fork")), 4096);
  spec.cpus = 64;
  EXPECT_EQ(trace_buffer_kib(spec, parsed("fork")), 1024);
  spec.memory_mib = 64;
  EXPECT_EQ(trace_buffer_kib(spec, parsed("fork")), 128);
  spec.trace_buffer_kib = 16;
  EXPECT_EQ(trace_buffer_kib(spec, parsed("fork")), 16);
}

TEST(TraceRequestTest, ProblemsNameTheirKeyAndLine) {
  const auto specs = parse_spec(
      "trace = 'shced'\ntrace_clock = 'counter'\ntrace_stop = 'a b'\ntrace_buffer = '4'\n",
      "t.toml");
  ASSERT_FALSE(specs);
  EXPECT_THAT(specs.error().message,
              HasSubstr("t.toml:4: trace_buffer: '4' is not a buffer's size"));
  TrialSpec spec;
  spec.trace = "shced";
  spec.trace_clock = "counter";
  EXPECT_TRUE(stop_points("").empty());
  EXPECT_TRUE(stop_points("warning").empty()) << "the command line's";
  EXPECT_THAT(stop_points("schedule"), testing::ElementsAre("schedule"));
  EXPECT_THAT(stop_points("stall"), testing::Contains("print_modules"));
  spec.trace_stop = "a b";
  spec.trace_buffer_kib = 32 << 10;
  const std::string problems = trace_problems(spec);
  EXPECT_THAT(problems, HasSubstr("trace: 'shced'"));
  EXPECT_THAT(problems, HasSubstr("\ntrace_clock: 'counter' is not one of local"));
  EXPECT_THAT(problems, HasSubstr("\ntrace_stop: 'a b'"));
  EXPECT_THAT(problems, HasSubstr("trace_buffer: 32768K for each of 4 CPUs is more than 64M"));
  EXPECT_FALSE(validate(spec));
  spec = {};
  spec.trace = "off";
  spec.trace_stop = "schedule";
  EXPECT_THAT(trace_problems(spec), HasSubstr("'off' leaves nothing"));
}

}  // namespace
}  // namespace ktrial::spec
