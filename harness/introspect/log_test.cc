#include "harness/introspect/log.h"

#include <gmock/gmock.h>

#include "harness/introspect/fake_kernel.h"
#include "harness/introspect/kernel.h"

namespace ktrial::introspect {

void PrintTo(const LogRecord& record, std::ostream* out) {
  *out << record.sequence << ' ' << log_lines(record);
}

namespace {

std::vector<LogRecord> sample_log(std::size_t count) {
  std::vector<LogRecord> out;
  for (std::size_t i = 0; i < count; ++i)
    out.push_back({.sequence = i,
                   .ns = i * 1001000,
                   .level = static_cast<unsigned>(i % 8),
                   .facility = i % 3 == 0 ? 1u : 0u,
                   .caller = i % 2 == 0 ? "T17" : "C3",
                   .text = i % 5 == 4 ? "" : std::string(1 + i * 7 % 60, 'a')});
  return out;
}

std::vector<LogRecord> read(FakeKernel& fake) {
  auto kernel = Kernel::open(fake.finish(), {});
  EXPECT_TRUE(kernel);
  auto records = read_log(**kernel, (*kernel)->info());
  EXPECT_TRUE(records) << records.error().message;
  return records ? *records : std::vector<LogRecord>{};
}

TEST(ReadLogTest, EveryFieldOfEveryRecord) {
  FakeKernel fake;
  fake.add_log(sample_log(20), 5, 12);
  EXPECT_EQ(read(fake), sample_log(20));
}

TEST(ReadLogTest, ARingThatWentRoundHasTheNewest) {
  FakeKernel fake;
  fake.add_log(sample_log(1000), 5, 12);
  const auto all = sample_log(1000);
  EXPECT_EQ(read(fake), std::vector<LogRecord>(all.end() - 32, all.end()));
}

TEST(ReadLogTest, OverwrittenTextsTakeTheirRecordsWithThem) {
  FakeKernel fake;
  fake.add_log(sample_log(30), 6, 9);  // room for some ten texts
  const auto all = sample_log(30), some = read(fake);
  ASSERT_GT(some.size(), 8u);
  ASSERT_LT(some.size(), 30u);
  for (const LogRecord& record : some) EXPECT_EQ(record, all.at(record.sequence));
  EXPECT_EQ(some.back(), all.back());
}

TEST(ReadLogTest, WithoutALogThereIsAnError) {
  auto kernel = Kernel::open(FakeKernel().finish(), {});
  ASSERT_TRUE(kernel);
  auto records = read_log(**kernel, (*kernel)->info());
  ASSERT_FALSE(records);
  EXPECT_NE(records.error().message.find("printk_ringbuffer"), std::string::npos);
}

TEST(ReadLogTest, LinesAreWrittenAsDmesgDoes) {
  const LogRecord record{.ns = 12345678901, .text = "one\n two"};
  EXPECT_EQ(log_lines(record), "[   12.345678] one\n[   12.345678]  two\n");
  EXPECT_EQ(log_lines({}), "[    0.000000] \n");
}

}  // namespace
}  // namespace ktrial::introspect
