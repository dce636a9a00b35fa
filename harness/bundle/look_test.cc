#include "harness/bundle/look.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ktrial::bundle {
namespace {
using ::testing::HasSubstr;

const Map& map() {
  static const Map kMap{.symbols = introspect::SymbolTable(
                            {{0x1000, 'T', "mm_get_cid", ""}, {0x2000, 'T', "schedule", ""}}),
                        .tasks = {}};
  return kMap;
}

vm::Exact applied(const Look& look) {
  vm::Exact exact;
  const auto done = apply(look, map(), 1'000'000, exact);
  EXPECT_TRUE(done) << done.error().message;
  return exact;
}
std::string refusal(const Look& look) {
  vm::Exact exact;
  const auto done = apply(look, map(), 1'000'000, exact);
  return done ? "" : done.error().message;
}

TEST(LookTest, StopsAtACountOrAVisitOrBeforeTheEnd) {
  EXPECT_EQ(applied({.stop_at = "1234"}).hold_at, 1234u);
  EXPECT_EQ(applied({.before_end = 400'000}).hold_at, 600'000u);
  const auto visit = applied({.stop_at = "mm_get_cid+0x55:3"});
  ASSERT_EQ(visit.places.size(), 1u);
  EXPECT_EQ(visit.places[0].address, 0x1055u);
  EXPECT_EQ(visit.places[0].hold_at, 3u);
  EXPECT_FALSE(visit.places[0].record);
  EXPECT_EQ(applied({.stop_at = "schedule"}).places[0].hold_at, 1u);
}

TEST(LookTest, RecordsCallsAndStores) {
  const auto exact = applied({.trace = {"schedule", "mm_get_cid"}, .watch = "schedule:4"});
  ASSERT_EQ(exact.places.size(), 2u);
  EXPECT_TRUE(exact.places[1].record);
  EXPECT_EQ(exact.places[1].hold_at, 0u);
  EXPECT_EQ(exact.watch, 0x2000u);
  EXPECT_EQ(exact.watch_bytes, 4u);
  EXPECT_EQ(applied({.watch = "0xff0"}).watch, 0xff0u);
  EXPECT_EQ(applied({.watch = "0xff0"}).watch_bytes, 8u);
}

TEST(LookTest, WordsOfMemoryTakeNoRunOfTheirOwn) {
  EXPECT_TRUE(Look{.show = {"u32[jiffies]"}}.any());
  EXPECT_FALSE(Look{.show = {"u32[jiffies]"}}.runs());
  EXPECT_TRUE(Look{.when = "vcpu 0 in user"}.runs());
}

TEST(LookTest, RefusesWhatTheRunDoesNotHave) {
  EXPECT_THAT(refusal({.stop_at = "no_such"}), HasSubstr("no symbol 'no_such'"));
  EXPECT_THAT(refusal({.stop_at = "1000000"}), HasSubstr("which has 1000000"));
  EXPECT_THAT(refusal({.stop_at = "0"}), HasSubstr("no instruction"));
  EXPECT_THAT(refusal({.before_end = 1'000'000}), HasSubstr("1000000 instructions only"));
  EXPECT_THAT(refusal({.stop_at = "schedule:0"}), HasSubstr("is not SYMBOL"));
  EXPECT_THAT(refusal({.trace = {"schedule+x"}}), HasSubstr("is not SYMBOL"));
  EXPECT_THAT(refusal({.watch = ":8"}), HasSubstr("--watch: column 1: a symbol"));
  EXPECT_THAT(refusal({.watch = "schedule:0"}), HasSubstr("is not PLACE[:BYTES]"));
}

TEST(LookTest, TellsVisitsByCountAndTask) {
  using What = vm::Visit::What;
  const std::vector<vm::Visit> visits = {
      {What::block, 5, 0x2004, 0, 0, 3, -1, ""},  {What::call, 10, 0x1000, 0, 3, 0, 147, "mmcid"},
      {What::block, 20, 0x1000, 0, 0, 4, -1, ""}, {What::block, 30, 0x2004, 0, 0, 3, -1, ""},
      {What::block, 40, 0x2010, 0, 0, 3, -1, ""}, {What::store, 50, 0x1055, 0x77, 1, 0, -1, ""}};
  EXPECT_THAT(text_of_calls(visits, map().symbols), HasSubstr("10  vCPU 3  mmcid/147"));
  EXPECT_THAT(text_of_stores(visits, map().symbols), HasSubstr("0x77 by mm_get_cid+0x55"));
  const std::string coverage = text_of_coverage(visits, map().symbols);
  // By when each was first run; a block that was translated twice is one.
  EXPECT_LT(coverage.find("2 blocks  schedule"), coverage.find("1 blocks  mm_get_cid"));
}

}  // namespace
}  // namespace ktrial::bundle
