#include "workloads/nmi-backtrace/backtraces.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <test_paths.h>

#include <fstream>
#include <sstream>

#include "workloads/nmi-backtrace/plant.h"

namespace ktrial::workload {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::vector<KmsgLine> log_of(const std::vector<const char*>& texts) {
  std::vector<KmsgLine> lines;
  for (const char* text : texts) lines.push_back({100 + lines.size(), text});
  return lines;
}

// A file of console lines: "[    2.677272] text".
std::vector<KmsgLine> log_file(const std::string& name) {
  std::ifstream in(KTRIAL_SOURCE_DIR "/workloads/nmi-backtrace/testdata/" + name);
  EXPECT_TRUE(in) << name;
  std::vector<KmsgLine> lines;
  for (std::string text; std::getline(in, text);)
    lines.push_back({lines.size(), text.substr(std::min(text.size(), text.find("] ") + 2))});
  return lines;
}

BacktraceRequest sysrq(std::set<int> askers, std::set<int> online) {
  BacktraceRequest request;
  request.askers = std::move(askers);
  request.must = request.may = std::move(online);
  return request;
}

// Four CPUs, CPU 1 asks.
const BacktraceRequest kFromOne = sysrq({1}, {0, 1, 2, 3});
const std::vector<const char*> kGood = {
    "sysrq: Show backtrace of all active CPUs",
    "NMI backtrace for cpu 1",
    "CPU: 1 PID: 90 Comm: sh Not tainted",
    "Sending NMI from CPU 1 to CPUs 0,2-3:",
    "NMI backtrace for cpu 3",
    "smpboot: CPU 5 is now offline",
    "NMI backtrace for cpu 0 skipped: idling at native_safe_halt+0xb/0x10",
    "NMI backtrace for cpu 2"};

TEST(BacktracesTest, EveryOnlineCpuAnswersOnce) {
  const BacktraceVerdict verdict = check_backtraces(log_of(kGood), kFromOne);
  EXPECT_THAT(verdict.broken, IsEmpty());
  EXPECT_THAT(verdict.unanswered, IsEmpty());
  EXPECT_EQ(verdict.served, 1);
  EXPECT_EQ(verdict.answers, 2);
  EXPECT_EQ(verdict.idle, 1);
  EXPECT_FALSE(verdict.lost);
}

struct Violation {
  const char* name;
  BacktraceRequest request;
  std::vector<const char*> lines;
  const char* sentence;
};
void PrintTo(const Violation& v, std::ostream* out) { *out << v.name; }

const char kOwn[] = "NMI backtrace for cpu 1";
const char kAll[] = "Sending NMI from CPU 1 to CPUs 0,2-3:";
const char k0[] = "NMI backtrace for cpu 0", k2[] = "NMI backtrace for cpu 2",
           k3[] = "NMI backtrace for cpu 3 skipped: idling at mwait+0x1/0x2";

class ViolationTest : public testing::TestWithParam<Violation> {};

TEST_P(ViolationTest, IsNamed) {
  const auto verdict = check_backtraces(log_of(GetParam().lines), GetParam().request);
  ASSERT_FALSE(verdict.broken.empty());
  EXPECT_EQ(verdict.broken.front(), GetParam().sentence);
}

INSTANTIATE_TEST_SUITE_P(
    Backtraces, ViolationTest,
    testing::Values(
        Violation{"TwiceInBetween", kFromOne, {kOwn, kAll, k0, k0, k2, k3}, "CPU 0 answered twice"},
        Violation{"TwiceAtTheEnd", kFromOne, {kOwn, kAll, k0, k2, k3, k2}, "CPU 2 answered twice"},
        Violation{"AskerAnswersToo",
                  kFromOne,
                  {kOwn, kAll, k0, kOwn, k2, k3},
                  "CPU 1 traced itself already and answered once more"},
        Violation{"AskerAnswersLast",
                  kFromOne,
                  {kOwn, kAll, k0, k2, k3, kOwn},
                  "CPU 1 traced itself already and answered once more"},
        Violation{"Foreign",
                  kFromOne,
                  {kOwn, kAll, k0, "NMI backtrace for cpu 7", k2, k3},
                  "CPU 7 answered, but CPU 1 asked CPUs 0,2-3"},
        Violation{"ForeignAtTheEnd",
                  kFromOne,
                  {kOwn, kAll, k0, k2, k3, "NMI backtrace for cpu 7"},
                  "CPU 7 answered, but nobody had asked it"},
        Violation{"OnlineCpuNotAsked",
                  kFromOne,
                  {kOwn, "Sending NMI from CPU 1 to CPUs 0,2:", k0, k2},
                  "CPU 1 does not ask CPU 3, online all the while"},
        Violation{"OfflineCpuAsked",
                  sysrq({1}, {0, 1, 2}),
                  {kOwn, kAll, k0, k2, k3},
                  "CPU 1 asks CPU 3, not online"},
        Violation{"AsksItself",
                  kFromOne,
                  {kOwn, "Sending NMI from CPU 1 to CPUs 0-3:"},
                  "CPU 1 asks itself"},
        Violation{"OwnTraceMissing",
                  kFromOne,
                  {kAll, k0, k2, k3},
                  "CPU 1 asks the others before it traces itself"},
        Violation{"OwnTraceAfter",
                  kFromOne,
                  {kAll, kOwn, k0, k2, k3},
                  "CPU 1 asks the others before it traces itself"},
        Violation{"AnotherCpuAsks",
                  sysrq({2}, {0, 1, 2, 3}),
                  {kOwn, kAll, k0, k2, k3},
                  "CPU 1 asks, but it was not told to"},
        Violation{
            "NobodyAsked", kFromOne, {kOwn}, "CPU 1 traced itself but did not ask CPUs 0,2-3"},
        Violation{"NothingServed",
                  kFromOne,
                  {"sysrq: Show backtrace of all active CPUs"},
                  "the request of CPU 1 was not carried out"},
        Violation{"ServedTwice",
                  kFromOne,
                  {kOwn, kAll, k0, k2, k3, kOwn, kAll, k0, k2, k3},
                  "1 requests were made, 2 carried out"},
        Violation{"Overlap",
                  sysrq({1, 2}, {0, 1, 2, 3}),
                  {kOwn, kAll, k0, k2, "Sending NMI from CPU 2 to CPUs 0-1,3:"},
                  "CPU 2 asks while CPU 3 have not answered CPU 1"},
        Violation{"BrokenList",
                  kFromOne,
                  {kOwn, "Sending NMI from CPU 1 to CPUs 3-0:"},
                  "\"Sending NMI from CPU 1\" names no CPUs"}),
    [](const auto& of) { return std::string(of.param.name); });

TEST(BacktracesTest, ACpuThatHasNotAnsweredYetIsWaitedFor) {
  const auto verdict = check_backtraces(log_of({kOwn, kAll, k0, k2}), kFromOne);
  EXPECT_THAT(verdict.broken, IsEmpty());
  EXPECT_THAT(verdict.unanswered, ElementsAre(3));
}

TEST(BacktracesTest, OneOfTwoRequestsAtOnceMayBeDropped) {
  const BacktraceRequest both = sysrq({1, 2}, {0, 1, 2, 3});
  EXPECT_THAT(check_backtraces(log_of({kOwn, kAll, k0, k2, k3}), both).broken, IsEmpty());
  const auto verdict =
      check_backtraces(log_of({kOwn, kAll, k0, k2, k3, "NMI backtrace for cpu 2",
                               "Sending NMI from CPU 2 to CPUs 0-1,3:", k0, kOwn, k3}),
                       both);
  EXPECT_THAT(verdict.broken, IsEmpty());
  EXPECT_EQ(verdict.served, 2);
}

TEST(BacktracesTest, ACpuThatComesOrGoesMayBeAskedOrNot) {
  BacktraceRequest request = sysrq({1}, {0, 1, 2});
  request.may.insert(3);
  EXPECT_THAT(check_backtraces(log_of({kOwn, kAll, k0, k2, k3}), request).broken, IsEmpty());
  EXPECT_THAT(
      check_backtraces(log_of({kOwn, "Sending NMI from CPU 1 to CPUs 0,2:", k0, k2}), request)
          .broken,
      IsEmpty());
}

TEST(BacktracesTest, ALoneCpuSendsNoNmi) {
  const auto verdict = check_backtraces(log_of({kOwn}), sysrq({1}, {1}));
  EXPECT_THAT(verdict.broken, IsEmpty());
  EXPECT_EQ(verdict.served, 1);
}

TEST(BacktracesTest, WhatCameAfterLostLinesIsNotJudged) {
  auto lines = log_of({kOwn, kAll, k0, k2, k2});
  lines[3].sequence += 5;
  lines[4].sequence += 5;
  const auto verdict = check_backtraces(lines, kFromOne);
  EXPECT_TRUE(verdict.lost);
  EXPECT_THAT(verdict.broken, IsEmpty());
}

TEST(BacktracesTest, LinesLostBeforeTheFirstCountToo) {
  BacktraceRequest request = kFromOne;
  request.first_sequence = 100;
  EXPECT_FALSE(check_backtraces(log_of(kGood), request).lost);
  request.first_sequence = 98;
  EXPECT_TRUE(check_backtraces(log_of(kGood), request).lost);
}

TEST(BacktracesTest, AStallReportIsKnown) {
  EXPECT_FALSE(reports_stall(log_of(kGood)));
  for (const char* text : {"rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
                           "watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [x:1]",
                           "NMI watchdog: Watchdog detected hard LOCKUP on cpu 0"})
    EXPECT_TRUE(reports_stall(log_of({kGood[0], text}))) << text;
}

TEST(BacktracesTest, WhatCameBeforeLostLinesIsJudged) {
  auto lines = log_of({kOwn, kAll, k0, k0, k2});
  lines[4].sequence += 5;
  EXPECT_THAT(check_backtraces(lines, kFromOne).broken, ElementsAre("CPU 0 answered twice"));
}

TEST(BacktracesTest, ASysrqOfARealKernelIsHealthyAndEveryPlantedViolationIsNot) {
  const auto lines = log_file("sysrq-l-6.1.txt");
  const BacktraceRequest request = sysrq({3}, {0, 1, 2, 3});
  EXPECT_THAT(check_backtraces(planted(lines, "none"), request).broken, IsEmpty());
  for (const std::string& name : plant_names()) {
    if (name == "none") continue;
    const auto verdict = check_backtraces(planted(lines, name), request);
    EXPECT_NE(verdict.broken.empty(), verdict.unanswered.empty()) << name;
  }
}

// A soft lockup's reporter has printed its registers: it is excluded.
const std::vector<const char*> kSoftLog = {
    "watchdog: BUG: soft lockup - CPU#1 stuck for 9s! [ktinj/1:87]", "CPU: 1 PID: 87 Comm: ktinj/1",
    "Sending NMI from CPU 1 to CPUs 0,2:", "NMI backtrace for cpu 0", "NMI backtrace for cpu 2"};

TEST(LockupTest, ASoftLockupAsksAllButItsReporter) {
  const auto found = find_lockup(log_of(kSoftLog), {0, 1, 2}, {0, 1, 2});
  ASSERT_TRUE(found);
  EXPECT_EQ(found->request.excluded, 1);
  EXPECT_THAT(check_backtraces(log_of(kSoftLog), found->request).broken, IsEmpty());
}

TEST(LockupTest, AReporterThatAnswersIsBroken) {
  for (const char* mask :
       {"Sending NMI from CPU 1 to CPUs 0,2:", "Sending NMI from CPU 1 to CPUs 0-2:"}) {
    const auto lines = log_of({kSoftLog.front(), mask, "NMI backtrace for cpu 0",
                               "NMI backtrace for cpu 1", "NMI backtrace for cpu 2"});
    const auto found = find_lockup(lines, {0, 1, 2}, {0, 1, 2});
    ASSERT_TRUE(found);
    EXPECT_FALSE(check_backtraces(lines, found->request).broken.empty()) << mask;
  }
  const auto lines = log_of({kSoftLog.front(), "NMI backtrace for cpu 1",
                             "Sending NMI from CPU 1 to CPUs 0,2:", "NMI backtrace for cpu 0",
                             "NMI backtrace for cpu 2"});
  const auto found = find_lockup(lines, {0, 1, 2}, {0, 1, 2});
  EXPECT_THAT(check_backtraces(lines, found->request).broken,
              ElementsAre("the excluded CPU 1 traced itself"));
}

// Since Linux 6.5 another CPU may find a hard lockup: it asks the victim alone,
// then all others, and traces itself.
TEST(LockupTest, AHardLockupsVictimAnswersOnce) {
  const auto good = log_of({"watchdog: CPU2: Watchdog detected hard LOCKUP on cpu 1",
                            "Sending NMI from CPU 2 to CPUs 1:", "NMI backtrace for cpu 1",
                            "NMI backtrace for cpu 2", "Sending NMI from CPU 2 to CPUs 0,3:",
                            "NMI backtrace for cpu 3", "NMI backtrace for cpu 0"});
  const auto found = find_lockup(good, {0, 1, 2, 3}, {0, 1, 2, 3});
  ASSERT_TRUE(found);
  EXPECT_EQ(found->request.excluded, 1);
  EXPECT_THAT(found->request.askers, ElementsAre(2));
  EXPECT_THAT(check_backtraces(good, found->request).broken, IsEmpty());

  const auto twice = log_of({"watchdog: CPU2: Watchdog detected hard LOCKUP on cpu 1",
                             "Sending NMI from CPU 2 to CPUs 1:", "NMI backtrace for cpu 1",
                             "NMI backtrace for cpu 2",
                             "Sending NMI from CPU 2 to CPUs 0-1,3:", "NMI backtrace for cpu 3",
                             "NMI backtrace for cpu 0", "NMI backtrace for cpu 1"});
  EXPECT_THAT(check_backtraces(twice, found->request).broken,
              ElementsAre("CPU 2 asks the excluded CPU 1"));
}

TEST(LockupTest, ALogWithoutOneHasNone) { EXPECT_FALSE(find_lockup(log_of(kGood), {0}, {0})); }

TEST(KmsgTest, ARecordIsItsSequenceAndItsFirstLine) {
  const auto line = parse_kmsg_record("6,339,5140900,-,caller=T1;NICs: a;b\n SUBSYSTEM=pci\n");
  ASSERT_TRUE(line);
  EXPECT_EQ(line->sequence, 339u);
  EXPECT_EQ(line->text, "NICs: a;b");
}

TEST(KmsgTest, WhatIsNoRecordIsRefused) {
  for (const char* bad : {"", "6", "6,339", ";text", "6;text,", "6,;x", "6,x,1,-;t", "6,1;t",
                          "6,99999999999999999999,1,-;t"})
    EXPECT_FALSE(parse_kmsg_record(bad)) << bad;
}

}  // namespace
}  // namespace ktrial::workload
