#include "harness/trace/console_dump.h"

#include <gmock/gmock.h>
#include <test_paths.h>

#include <fstream>
#include <sstream>

namespace ktrial::trace {
namespace {
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string sample() {
  std::ifstream in(KTRIAL_SOURCE_DIR "/harness/trace/testdata/dump.log", std::ios::binary);
  std::stringstream out;
  out << in.rdbuf();
  return out.str();
}

std::string replaced(std::string text, const std::string& what, const std::string& by) {
  const std::size_t at = text.find(what);
  EXPECT_NE(at, std::string::npos) << what;
  return text.replace(at, what.size(), by);
}

TEST(ConsoleDumpTest, RecordsBecomeEventsOtherLinesDoNot) {
  const History history = read_dump(sample());
  ASSERT_EQ(history.moments.size(), 4u);
  const auto& all = history.moments;
  EXPECT_EQ(all[0].cpu, 1u);
  EXPECT_EQ(all[0].ns, 1000001000u);
  EXPECT_EQ(all[0].pid, 12);
  EXPECT_TRUE(all[0].to_sleep);
  EXPECT_EQ(all[1].to, 14);
  EXPECT_EQ(all[2].act, Act::fork);
  EXPECT_EQ(all[2].to, 15);
  EXPECT_EQ(all[3].event, "function");
  EXPECT_EQ(all[3].text, "mm_get_cid <-__schedule");
  for (const Moment& one : all) EXPECT_FALSE(one.doubtful) << one.text;
  EXPECT_THAT(history.missing, ElementsAre("CPU 1 lost 25 events"));
  EXPECT_EQ(history.source, "console");
}

TEST(ConsoleDumpTest, FullNamesComeFromEvents) {
  const History history = read_dump(sample());
  EXPECT_EQ(history.task(14), "mmcid-vfork/14");
  EXPECT_EQ(history.task(12), "my [3] x/12");
}

TEST(ConsoleDumpTest, WithoutStampsAndWithCarriageReturns) {
  std::string log =
      "<4>Dumping ftrace instance foo buffer:\r\n---------------------------------\r\n"
      "<4>      sh-71      2d..1. 1115969us : mmcid_user_add: pid=73\r\n"
      "---------------------------------\r\n";
  const History history = read_dump(log);
  ASSERT_EQ(history.moments.size(), 1u);
  EXPECT_EQ(history.moments[0].event, "mmcid_user_add");
  EXPECT_EQ(history.moments[0].text, "pid=73");
  EXPECT_THAT(history.missing, IsEmpty());
}

TEST(ConsoleDumpTest, ALineOfAnotherCpuWithinARecordMakesItDoubtful) {
  const History history = read_dump(
      replaced(sample(), "next_comm=kworker/1:0", "next_[    2.100003] rcu: INFO: rcu_preempt"));
  ASSERT_EQ(history.moments.size(), 4u);
  EXPECT_TRUE(history.moments[0].doubtful);
  EXPECT_THAT(history.moments[0].text, testing::EndsWith("==> next_"));
  EXPECT_THAT(history.missing, ElementsAre("CPU 1 lost 25 events", "1 damaged records"));
}

TEST(ConsoleDumpTest, ARecordWithoutItsBeginningIsCounted) {
  const History history = read_dump(replaced(sample(), "<idle>-0       0d..2. 1", ""));
  EXPECT_EQ(history.moments.size(), 3u);
  EXPECT_THAT(history.missing, testing::Contains("1 damaged records"));
}

TEST(ConsoleDumpTest, ADamagedStampIsTold) {
  const History history = read_dump(replaced(sample(), " 1000002us", " 9000002us"));
  ASSERT_EQ(history.moments.size(), 4u);
  EXPECT_TRUE(history.moments[1].doubtful);
  EXPECT_EQ(history.moments[1].ns, 1000001000u);
}

TEST(ConsoleDumpTest, ADumpWithoutItsEndIsPartial) {
  const std::string log = sample();
  const History history = read_dump(log.substr(0, log.find("[    2.100006]")));
  EXPECT_EQ(history.moments.size(), 3u);
  EXPECT_THAT(history.missing, testing::Contains("1 of 1 dumps without an end"));
}

TEST(ConsoleDumpTest, AnEmptyDumpIsADump) {
  const std::string log =
      "Dumping ftrace buffer:\n   (ftrace buffer empty)\nsh-1  0d..1. 5us : x: y\n";
  EXPECT_TRUE(has_dump(log));
  EXPECT_THAT(read_dump(log).moments, IsEmpty());
  EXPECT_THAT(read_dump(log).missing, IsEmpty());
  EXPECT_FALSE(has_dump("Dumping core\n"));
}

TEST(ConsoleDumpTest, WhatIsReadIsWrittenAndReadAgain) {
  const History history = read_dump(sample());
  const History again = read_text(to_text(history));
  ASSERT_EQ(again.moments.size(), history.moments.size());
  for (std::size_t i = 0; i < again.moments.size(); ++i) {
    EXPECT_EQ(again.moments[i].ns, history.moments[i].ns);
    EXPECT_EQ(again.moments[i].cpu, history.moments[i].cpu);
    EXPECT_EQ(again.moments[i].pid, history.moments[i].pid);
    EXPECT_EQ(again.moments[i].text, history.moments[i].text);
  }
}

}  // namespace
}  // namespace ktrial::trace
