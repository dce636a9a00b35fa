#include "harness/subtests/subtests.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <test_paths.h>

#include <fstream>
#include <sstream>

namespace ktrial::subtests {
namespace {
using testing::ElementsAre;
using testing::HasSubstr;

std::string file(const std::string& name) {
  std::ifstream in(std::string(KTRIAL_SOURCE_DIR) + "/harness/subtests/testdata/" + name);
  std::ostringstream text;
  text << in.rdbuf();
  EXPECT_GT(text.str().size(), 100u) << name;
  return text.str();
}

Summary parse(const std::string& text, bool console = false) {
  Parser parser(console);
  parser.feed(text);
  return parser.summary();
}

// "name=result" of each.
std::vector<std::string> shown(const Summary& summary) {
  std::vector<std::string> out;
  for (const Subtest& test : summary.tests)
    out.push_back(test.name + "=" + std::string(name(test.result)));
  return out;
}

TEST(SubtestsTest, KselftestsRunner) {
  const Summary summary = parse(file("kselftest.tap"));
  EXPECT_EQ(summary.format, Format::tap);
  EXPECT_THAT(shown(summary), ElementsAre("selftests: timers: posix_timers/ITIMER_VIRTUAL=pass",
                                          "selftests: timers: posix_timers/ITIMER_PROF=fail",
                                          "selftests: timers: posix_timers/ITIMER_REAL=skip",
                                          "selftests: timers: nanosleep=pass",
                                          "selftests: timers: raw_skew=timeout"));
  EXPECT_EQ(summary.tests[1].reason, "expected 2000000 us, got 2600000 us");
  EXPECT_EQ(summary.tests[2].reason, "SKIP no such timer");
  EXPECT_EQ(summary.missing, 1u) << "four were planned";
}

TEST(SubtestsTest, KunitOnTheConsole) {
  const Summary summary = parse(file("kunit.log"), true);
  EXPECT_THAT(shown(summary),
              ElementsAre("example/example_simple_test=pass", "example/example_skip_test=skip",
                          "example/example_params_test/example value 3=pass",
                          "example/example_params_test/example value 0=fail",
                          "list-kunit-test/list_test_list_init=pass"));
  EXPECT_EQ(summary.missing, 1u) << "the second suite never ended";
}

TEST(SubtestsTest, Igt) {
  const Summary summary = parse(file("igt.txt"));
  EXPECT_EQ(summary.format, Format::igt);
  EXPECT_THAT(shown(summary), ElementsAre("basic=pass", "needs-gpu=skip", "modes/pipe-A=pass",
                                          "modes/pipe-B=fail", "hangs=crash"));
  EXPECT_THAT(summary.tests[1].reason, HasSubstr("requirement not met"));
  EXPECT_THAT(summary.tests[3].reason, HasSubstr("a == b"));
  EXPECT_EQ(summary.tests[3].seconds, .2);
}

TEST(SubtestsTest, OrdinaryOutputIsNoTest) {
  for (const char* text : {"", "ok\n", "ok 1 x\nnot ok 2 y\n1..2\n", "hello TAP version 13\n",
                           "Subtest x: FAIL (0.1s)\n"})
    EXPECT_EQ(parse(text).format, Format::none) << text;
}

TEST(SubtestsTest, DirectivesAndTheirAbsence) {
  const auto summary = parse(
      "KTAP version 1\n1..9\nok\nnot ok 2\nok 3 - a # b c # SKIP d\nok 4 # SKIP\n"
      "not ok 5 e # TODO later\nnot ok 6 f # XFAIL known\nnot ok 7 g # ERROR infra\n"
      "Bail out! no disk");
  EXPECT_THAT(shown(summary),
              ElementsAre("1=pass", "2=fail", "a=pass", "4=skip", "e=pass", "f=pass", "g=crash"));
  EXPECT_EQ(summary.missing, 2u);
  EXPECT_EQ(summary.bailed_out, "no disk");
}

TEST(SubtestsTest, AFailedParentWithHealthyChildrenCounts) {
  EXPECT_THAT(shown(parse("TAP version 14\n    ok 1 - inner\nnot ok 1 - outer\n1..1\n")),
              ElementsAre("outer/inner=pass", "outer=fail"));
}

TEST(SubtestsTest, HowTheStreamIsCutMakesNoDifference) {
  for (const auto& [name, console] :
       {std::pair("kselftest.tap", false), {"kunit.log", true}, {"igt.txt", false}}) {
    const std::string text = file(name);
    Parser parser(console);
    for (char c : text) parser.feed({&c, 1});
    EXPECT_EQ(parser.summary().tests, parse(text, console).tests);
  }
}

TEST(SubtestsTest, FloodsAreBounded) {
  std::string text = "TAP version 13\n";
  for (std::size_t i = 0; i < kMaxTests + 5; ++i) text += "ok 1 x\n";
  text += "not ok 1 " + std::string(100000, 'n') + "\n";
  const Summary summary = parse(text);
  EXPECT_EQ(summary.tests.size(), kMaxTests);
  EXPECT_EQ(summary.not_kept, 6u);
}

}  // namespace
}  // namespace ktrial::subtests
