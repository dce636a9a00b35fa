#include "harness/trace/svg_writer.h"

#include <gmock/gmock.h>

#include "harness/base/command.h"
#include "harness/base/file.h"
#include "harness/trace/fake_history.h"

namespace ktrial::trace {
namespace {
using testing::HasSubstr;
using testing::Not;

History two_cpus() {
  History out;
  out.source = "RAM";
  out.names = {{1, "a<&\"b>"}, {2, "child"}};
  out.running = {{1, 0}};
  out.moments = {switch_at(0, 1000000, 0, 1), fork_at(0, 2000000, 1, 2),
                 switch_at(1, 3000000, 0, 2), switch_at(0, 9000000, 1, 0)};
  return out;
}

// Well-formed: every tag closed in order, no bare character of markup.
void expect_well_formed(const std::string& svg) {
  auto folder = TempDir::create("kt-svg");
  ASSERT_TRUE(folder);
  const auto file = folder->path() / "trace.svg";
  ASSERT_TRUE(write_file_atomically(file, svg));
  const auto ran = run_command({"xmllint", "--noout", file});
  if (!ran) GTEST_SKIP() << "no xmllint here";
  EXPECT_TRUE(ran->ok()) << ran->err;
}

TEST(SvgTest, TasksAreBarsAndTheRestAreMarks) {
  const std::string svg = to_svg(two_cpus(), {{4000000, "INFO: <stall>", 1}}, {1000000, 10000000});
  expect_well_formed(svg);
  EXPECT_THAT(svg, HasSubstr("<title>a&lt;&amp;&quot;b&gt;/1</title>"));
  EXPECT_THAT(svg, HasSubstr("forks child/2"));
  EXPECT_THAT(svg, HasSubstr("INFO: &lt;stall&gt; (CPU 1)"));
  EXPECT_THAT(svg, HasSubstr(">CPU 1</text>"));
  EXPECT_THAT(svg, HasSubstr("no event after 0.003000 s; the switch was begun, not ended"));
}

TEST(SvgTest, WhatTheHostTookIsABandAndPhasesAreLines) {
  const std::string svg = to_svg(two_cpus(),
                                 {{2000000, "waited", 1, Track::host, 4000000},
                                  {2000000, "elsewhere", 7, Track::host, 4000000},
                                  {3000000, "workload x", -1, Track::phases, 9000000},
                                  {3000000, "beat", 1, Track::beats}},
                                 {1000000, 10000000});
  expect_well_formed(svg);
  EXPECT_THAT(svg, HasSubstr("<title>host: waited</title>"));
  EXPECT_THAT(svg, HasSubstr("taken by the host"));
  EXPECT_THAT(svg, HasSubstr(">workload x</text>"));
  EXPECT_THAT(svg, Not(HasSubstr("elsewhere")));
  EXPECT_THAT(svg, Not(HasSubstr("beat")));
}

TEST(SvgTest, WhatLiesOutsideIsNotDrawn) {
  const std::string svg = to_svg(two_cpus(), {{4000000, "mark"}}, {9500000, 10000000});
  expect_well_formed(svg);
  EXPECT_THAT(svg, Not(HasSubstr("forks child/2")));
  EXPECT_THAT(svg, Not(HasSubstr("mark")));
}

TEST(SvgTest, AHugeTraceMakesASmallPicture) {
  History history;
  std::vector<Mark> marks;
  for (unsigned i = 0; i < 200000; ++i) {
    const int pid = static_cast<int>(i % 97) + 1;
    history.names[pid] = std::string(15, '<') + static_cast<char>('a' + pid % 26);
    history.moments.push_back(switch_at(i % 100, i * 500, pid % 97 + 1, pid));
    history.moments.push_back({.cpu = i % 100,
                               .ns = i * 500,
                               .pid = pid,
                               .act = Act::fork,
                               .from = pid,
                               .to = pid + 1,
                               .event = "sched_process_fork"});
    marks.push_back({i * 500, std::string(300, '<')});
  }
  const std::string svg = to_svg(history, marks, before_stall(history));
  EXPECT_LT(svg.size(), 300u << 10);
  expect_well_formed(svg);
}

TEST(SvgTest, AnEmptyTraceIsAPictureToo) { expect_well_formed(to_svg({}, {}, before_stall({}))); }

TEST(SvgTest, TheStallIsWhereTheFirstBusyCpuWentSilent) {
  History history = two_cpus();
  history.moments.push_back(switch_at(0, 900000000, 0, 0));
  const Span span = before_stall(history, 1000000);
  EXPECT_EQ(span.from_ns, 2000000u) << "CPU 1 was not idle at 3 ms, CPU 0 is";
  EXPECT_EQ(span.to_ns, 3250000u);
}

}  // namespace
}  // namespace ktrial::trace
