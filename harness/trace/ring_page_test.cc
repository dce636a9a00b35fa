#include "harness/trace/ring_page.h"

#include <gmock/gmock.h>

#include <cstring>

#include "harness/trace/fake_trace.h"

namespace ktrial::trace {
namespace {
using testing::HasSubstr;

std::string text(const PageRecord& record) {
  return {reinterpret_cast<const char*>(record.data.data()), record.data.size()};
}

TEST(RingPageTest, DeltasAddUpFromThePagesStamp) {
  const auto page = PageBuilder(1000).data(0, "aaaa").data(5, "bbbbbbbb").bytes();
  const auto out = parse_page(page);
  ASSERT_TRUE(out) << out.error().message;
  ASSERT_EQ(out->records.size(), 2u);
  EXPECT_EQ(out->records[0].ns, 1000u);
  EXPECT_EQ(text(out->records[0]), "aaaa");
  EXPECT_EQ(out->records[1].ns, 1005u);
  EXPECT_EQ(out->records[1].offset, 8u);
  EXPECT_EQ(text(out->records[1]), "bbbbbbbb");
  EXPECT_EQ(out->parsed, out->committed);
  EXPECT_EQ(out->trouble, "");
}

TEST(RingPageTest, ALongRecordHasItsLengthBehind) {
  const auto page = PageBuilder(0).long_data(1, std::string(200, 'x')).data(1, "yyyy").bytes();
  const auto out = parse_page(page);
  ASSERT_TRUE(out);
  ASSERT_EQ(out->records.size(), 2u);
  EXPECT_EQ(text(out->records[0]), std::string(200, 'x'));
  EXPECT_EQ(text(out->records[1]), "yyyy");
}

TEST(RingPageTest, ATimeExtendAddsItsWholeDelta) {
  const auto page = PageBuilder(10).control(30, 3, 2).data(1, "aaaa").bytes();
  const auto out = parse_page(page);
  ASSERT_EQ(out->records.size(), 1u);
  EXPECT_EQ(out->records[0].ns, 10 + 3 + (2ull << 27) + 1);
}

TEST(RingPageTest, AnAbsoluteStampKeepsThePagesHighBits) {
  const std::uint64_t page_ns = (3ull << 59) + 100;
  const std::uint64_t stamp = 5000;  // of 59 bits
  const auto page =
      PageBuilder(page_ns).control(31, stamp & 0x7ffffff, stamp >> 27).data(0, "aaaa").bytes();
  EXPECT_EQ(parse_page(page)->records.at(0).ns, (3ull << 59) + 5000);
  // Smaller than before: the 59 bits have wrapped.
  const auto wrapped =
      PageBuilder((3ull << 59) + 9000).control(31, 5000, 0).data(0, "aaaa").bytes();
  EXPECT_EQ(parse_page(wrapped)->records.at(0).ns, (4ull << 59) + 5000);
}

TEST(RingPageTest, ADiscardedRecordIsSkippedAndItsDeltaDoesNotCount) {
  const auto page = PageBuilder(0).control(29, 1, 8).raw("gone").data(7, "aaaa").bytes();
  const auto out = parse_page(page);
  ASSERT_EQ(out->records.size(), 1u) << out->trouble;
  EXPECT_EQ(out->records[0].ns, 7u);
}

TEST(RingPageTest, PaddingWithoutDeltaEndsThePage) {
  const auto page = PageBuilder(0).data(1, "aaaa").word(29).raw("garbage.").bytes();
  const auto out = parse_page(page);
  EXPECT_EQ(out->records.size(), 1u);
  EXPECT_EQ(out->trouble, "");
}

TEST(RingPageTest, RecordsBehindTheCommitAreMarked) {
  PageBuilder builder(0);
  const auto commit = static_cast<std::int64_t>(builder.data(1, "aaaa").size());
  builder.data(1, "bbbb");
  const auto page = builder.bytes(commit);
  EXPECT_EQ(parse_page(page)->records.size(), 1u) << "nobody says that there is more";
  const auto out = parse_page(page, static_cast<std::uint32_t>(builder.size()));
  ASSERT_EQ(out->records.size(), 2u);
  EXPECT_FALSE(out->records[0].uncommitted);
  EXPECT_TRUE(out->records[1].uncommitted);
  // A writer that found no room has counted beyond the page.
  EXPECT_TRUE(parse_page(page, 5000));
}

TEST(RingPageTest, LostEventsAreCounted) {
  PageBuilder builder(0);
  builder.data(1, "aaaa");
  auto page = builder.bytes(-1, 3u << 30);
  const std::uint64_t missed = 77;
  std::memcpy(page.data() + 16 + builder.size(), &missed, 8);
  const auto out = parse_page(page);
  ASSERT_TRUE(out) << out.error().message;
  EXPECT_TRUE(out->missed_events);
  EXPECT_EQ(out->missed, 77u);
  EXPECT_EQ(out->committed, 8u);
}

TEST(RingPageTest, WhatDoesNotFitIsNamedAndWhatWasBeforeItIsKept) {
  const auto page = PageBuilder(0).data(1, "aaaa").word(20).bytes();
  const auto out = parse_page(page);
  ASSERT_EQ(out->records.size(), 1u);
  EXPECT_THAT(out->trouble, HasSubstr("a record longer than its page at 8 of 12 bytes"));
  EXPECT_EQ(out->parsed, 8u);
  EXPECT_THAT(parse_page(PageBuilder(0).control(0, 1, 3).bytes())->trouble,
              HasSubstr("a record of no length"));
  EXPECT_THAT(parse_page(PageBuilder(0).word(30).bytes())->trouble, HasSubstr("a cut stamp"));
}

TEST(RingPageTest, PaddingOfAllLengthsEnds) {
  for (std::uint32_t length : {0xffffffffu, 0xfffffffcu, 0xfffffff8u, 5000u})
    EXPECT_THAT(parse_page(PageBuilder(0).control(29, 1, length).bytes())->trouble,
                HasSubstr("crosses the end"))
        << length;
}

TEST(RingPageTest, NoPageIsAnError) {
  EXPECT_FALSE(parse_page(std::vector<std::byte>(15)));
  EXPECT_FALSE(parse_page(std::vector<std::byte>(70000)));
  EXPECT_FALSE(parse_page(PageBuilder(0).bytes(4081))) << "more bytes than a page has";
}

}  // namespace
}  // namespace ktrial::trace
