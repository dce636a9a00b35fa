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

Summary parse(const std::string& text, Source source = Source::output) {
  Parser parser(source);
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

// As it came from a program that its runner killed.
TEST(SubtestsTest, AResultBehindAnUnfinishedLineCounts) {
  const auto summary = parse(
      "TAP version 13\n1..2\n# selftests: timers: raw_skew\n"
      "# Estimating clock drift: not ok 1 selftests: timers: raw_skew # TIMEOUT 90 seconds\n"
      "# selftests: timers: b\n# it is ok 7 times, says selftests: timers: c\n"
      "ok 2 selftests: timers: b\n");
  EXPECT_THAT(shown(summary),
              ElementsAre("selftests: timers: raw_skew=timeout", "selftests: timers: b=pass"));
  EXPECT_EQ(summary.missing, 0u);
  // Bytes that are no text make it no result, and nothing worse.
  const auto broken =
      parse("TAP version 13\n1..1\n# selftests: a: b\n# hm: not ok 1 selftests: a: b \xff\xfe\n");
  EXPECT_EQ(broken.running, "selftests: a: b");
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
  const Summary summary = parse(file("kunit.log"), Source::console);
  EXPECT_THAT(shown(summary),
              ElementsAre("example/example_simple_test=pass", "example/example_skip_test=skip",
                          "example/example_params_test/example value 3=pass",
                          "example/example_params_test/example value 0=fail",
                          "list-kunit-test/list_test_list_init=pass", "list-kunit-test=crash"))
      << "the second suite never ended";
  EXPECT_EQ(summary.missing, 0u);
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

TEST(SubtestsTest, EachDocumentHasItsPlan) {
  const auto short_of = [](const std::string& text) {
    return parse("TAP version 13\n" + text).missing;
  };
  EXPECT_EQ(short_of("1..3\nok 1\nok 2\nok 3\nTAP version 13\n1..2\n"), 2u);
  EXPECT_EQ(short_of("1..2\nok 1\nTAP version 13\n1..3\nok 1\n"), 3u);
  EXPECT_EQ(short_of("1..2\nok 1\n1..3\nok 1\n"), 3u) << "without its first line";
  EXPECT_EQ(short_of("ok 1\nok 2\n1..2\nTAP version 13\n1..1\nok 1\n"), 0u);
  EXPECT_EQ(short_of("1..1\n# TAP version 13\n# 1..1\n# ok 1 a\n# TAP version 13\n# 1..1\n"
                     "# ok 1 a\nok 1 twice\n"),
            0u)
      << "a test that runs two programs";
}

TEST(SubtestsTest, TheRunningTestIsNamed) {
  const Summary cut = parse(
      "TAP version 13\n1..3\n# selftests: a: one\nok 1 selftests: a: one\n"
      "# selftests: a: two\n# TAP version 13\n# 1..4\n# ok 1 x\n# not ok 2 y\n");
  EXPECT_THAT(shown(cut), ElementsAre("selftests: a: one=pass", "selftests: a: two/x=pass",
                                      "selftests: a: two/y=fail", "selftests: a: two=crash"));
  EXPECT_EQ(cut.running, "selftests: a: two");
  EXPECT_THAT(cut.tests[3].reason, HasSubstr("after 2 of 4 results"));
  EXPECT_EQ(cut.missing, 2u) << "one of the inner plan beside the running one, one of the outer";

  const Summary silent =
      parse("TAP version 13\n1..1\n# selftests: a: one\nTAP version 13\n1..1\nok 1 b\n");
  EXPECT_THAT(shown(silent), ElementsAre("selftests: a: one=crash", "b=pass"));
  EXPECT_EQ(silent.missing, 0u);
}

TEST(SubtestsTest, ASuiteThatAPanicCutsKeepsWhatRan) {
  const Summary summary = parse(
      "[    0.1] printk: x\n[    0.060000] TAP version 14\n[    0.060000] 1..2\n"
      "[    0.060000] \t# Subtest: first\n[    0.060000] \t1..1\n[    0.060000] \tok 1 - a\n"
      "[    0.060000] ok 1 - first\n[    0.060000] \t# Subtest: second\n[    0.060000] \t1..3\n"
      "[    0.060000] \tok 1 - b\n[    0.060000] \tKernel panic - not syncing: x\n",
      Source::console);
  EXPECT_THAT(shown(summary), ElementsAre("first/a=pass", "second/b=pass", "second=crash"));
  EXPECT_EQ(summary.missing, 1u);
}

TEST(SubtestsTest, SavedLogsMayHaveLostTheirStamps) {
  const std::string body = "1..1\n    # Subtest: s\n    1..1\n    ok 1 t\nok 1 s\n";
  for (const std::string prefix :
       {"", " ", "[    1.000000] ", "<6>[    1.000000][    T1] ",
        "Jan  1 00:00:00 host kernel: ", "Jan  1 00:00:00 host kernel: [    1.000000] "}) {
    std::string log = prefix + "KTAP version 1\n";
    for (std::string_view rest = body; !rest.empty(); rest.remove_prefix(rest.find('\n') + 1))
      log += prefix + std::string(rest.substr(0, rest.find('\n') + 1));
    EXPECT_THAT(shown(parse("something before\n" + log, Source::saved_log)),
                ElementsAre("s/t=pass"))
        << prefix;
  }
}

TEST(SubtestsTest, AnOkParentStandsAboveItsChildren) {
  const Summary summary = parse(
      "TAP version 13\n1..1\n# TAP version 13\n# 1..2\n# not ok 1 icebp\n# ok 2 int3\n"
      "ok 1 breakpoints\n");
  EXPECT_THAT(shown(summary), ElementsAre("breakpoints/icebp=pass", "breakpoints/int3=pass"));
  EXPECT_THAT(summary.tests[0].reason, HasSubstr("it said fail, its parent ok"));
}

TEST(SubtestsTest, EqualNamesGetAnOrdinal) {
  EXPECT_THAT(shown(parse("TAP version 13\nok 1 x\nok 2 x (2)\nnot ok 3 x\nok 4 x\n")),
              ElementsAre("x=pass", "x (2)=pass", "x (3)=fail", "x (4)=pass"));
  const std::string longest(kMaxName, 'n');
  const Summary cut = parse("TAP version 13\nok 1 " + longest + "\nok 2 " + longest + "\n");
  EXPECT_EQ(cut.tests[1].name.size(), kMaxName);
  EXPECT_THAT(cut.tests[1].name, testing::EndsWith("n (2)"));
}

TEST(SubtestsTest, ASkippedTestMayBeNamedBehindItsDirective) {
  EXPECT_THAT(shown(parse("TAP version 13\nok 1 A\nok 2 # SKIP CLOCK_TAI   \nok 3 # SKIP\n")),
              ElementsAre("A=pass", "CLOCK_TAI=skip", "3=skip"));
}

TEST(SubtestsTest, AFailedParentWithHealthyChildrenCounts) {
  EXPECT_THAT(shown(parse("TAP version 14\n    ok 1 - inner\nnot ok 1 - outer\n1..1\n")),
              ElementsAre("outer/inner=pass", "outer=fail"));
}

TEST(SubtestsTest, HowTheStreamIsCutMakesNoDifference) {
  for (const auto& [name, source] : {std::pair("kselftest.tap", Source::output),
                                     {"kunit.log", Source::console},
                                     {"igt.txt", Source::output}}) {
    const std::string text = file(name);
    Parser parser(source);
    for (char c : text) parser.feed({&c, 1});
    EXPECT_EQ(parser.summary().tests, parse(text, source).tests);
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

// Written by LTP's documentation (doc/users/test_case_tutorial, lib/newlib_tests); Debian has no
// ltp.
TEST(SubtestsTest, LtpsProgramsAlone) {
  const Summary summary = parse(
      "tst_test.c:1558: TINFO: Timeout per run is 0h 00m 30s\n"
      "access01.c:245: TPASS: access(accessfile_rwx, F_OK) as root\n"
      "access01.c:250: \x1b[1;31mTFAIL: \x1b[0maccess(accessfile_r, W_OK) as nobody passed\n"
      "tst_test.c:1625: TBROK: Test killed! (timeout?)\n"
      "\nSummary:\npassed   1\nfailed   1\nbroken   1\nskipped  0\nwarnings 0\n");
  EXPECT_EQ(summary.format, Format::ltp);
  EXPECT_THAT(shown(summary), ElementsAre("access01/1=pass", "access01/2=fail", "access01/3=fail"));
  EXPECT_EQ(summary.tests[1].reason, "access(accessfile_r, W_OK) as nobody passed");
  EXPECT_EQ(summary.tests[2].reason, "TBROK: Test killed! (timeout?)");
  const Summary old = parse(
      "diotest1    1  TPASS  :  Test with invalid block size\n"
      "diotest1    2  TCONF  :  diotest1.c:90: not here\n"
      "/opt/ltp/testcases/lib/tst_test.sh:12: no result\n"
      "df01 1 TINFO: using tmpfs\ndf01 1 TPASS: 'df' passed.\n");
  EXPECT_THAT(shown(old), ElementsAre("diotest1/1=pass", "diotest1/2=skip", "df01/3=pass"));
}

TEST(SubtestsTest, LtpsRunner) {
  const std::string one =
      "<<<test_start>>>\ntag=access01 stime=1700000000\ncmdline=\"access01\"\ncontacts=\"\"\n"
      "analysis=exit\n<<<test_output>>>\naccess01.c:245: TPASS: as root\n"
      "<<<execution_status>>>\ninitiation_status=\"ok\"\n"
      "duration=0 termination_type=exited termination_id=0 corefile=no\ncutime=0 cstime=0\n"
      "<<<test_end>>>\n";
  const auto test = [](const std::string& name, const std::string& output, const std::string& how) {
    return "<<<test_start>>>\ntag=" + name + " stime=1\n<<<test_output>>>\n" + output +
           "<<<execution_status>>>\nduration=1 termination_type=" + how +
           " corefile=no\n<<<test_end>>>\n";
  };
  const std::string whole =
      one + test("quiet", "", "exited termination_id=0") +
      test("lost", "INFO: created 5 children\n", "exited termination_id=1") +
      test("conf", "conf.c:1: TCONF: no such system call\n", "exited termination_id=32") +
      test("killed", "killed.c:5: TPASS: so far\n", "signaled termination_id=9") +
      "<<<test_start>>>\ntag=hung stime=3\n<<<test_output>>>\nhung.c:5: TPASS: one\n";
  const Summary summary = parse(whole);
  EXPECT_THAT(shown(summary),
              ElementsAre("access01/1=pass", "quiet=pass", "lost=fail", "conf/1=skip",
                          "killed/1=pass", "killed=crash", "hung/1=pass", "hung=crash"));
  EXPECT_EQ(summary.running, "hung");
  EXPECT_EQ(parse(whole, Source::saved_log).tests, summary.tests);
  EXPECT_EQ(parse("access01.c:2: TPASS: x\n", Source::saved_log).format, Format::none)
      << "of a log the runner's word is needed";
}

}  // namespace
}  // namespace ktrial::subtests
