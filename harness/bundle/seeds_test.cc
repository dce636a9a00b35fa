#include "harness/bundle/seeds.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ktrial::bundle {
namespace {
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const introspect::SymbolTable& symbols() {
  static const introspect::SymbolTable kSymbols({{0x1000, 'T', "boot", ""},
                                                 {0x2000, 'T', "spin", ""},
                                                 {0x3000, 'T', "common", ""},
                                                 {0x4000, 'T', "rare", ""}});
  return kSymbols;
}

// Ten seeds of each kind. `boot` is alike, `spin` is run by all and more by failing ones, of which
// alone it reaches the block +0x55; passing ones run more of `common`; `rare` is chance.
SeedsDiff twenty() {
  static results::TrialRecord trial = [] {
    results::TrialRecord out;
    out.determinism.emplace();
    return out;
  }();
  SeedsDiff out;
  for (std::uint64_t i = 0; i < 10; ++i) {
    Seed bad{.run = "a", .kept = nullptr, .trial = &trial, .paths = {}}, good = bad;
    bad.paths.blocks = {
        {0x1000, 5, 50}, {0x2000, 3 + i, 30}, {0x2055, 900 + i, 9000}, {0x3000, 1, 4}};
    good.paths.blocks = {{0x1000, 5, 50}, {0x2000, 3 + i, 40}, {0x3000, 8 + i, 32 + i}};
    if (i % 2 == 0) bad.paths.blocks.push_back({0x4000, 1, 1});
    if (i % 3 == 0) good.paths.blocks.push_back({0x4000, 1, 1});
    out.failing.push_back(bad);
    out.passing.push_back(good);
  }
  return out;
}

TEST(SeedsTest, RanksFunctionsByATestAndNamesTheirClearestBlock) {
  SeedsDiff diff = twenty();
  rank_usage(symbols(), diff);
  EXPECT_EQ(diff.functions, 4u);
  ASSERT_FALSE(diff.more.empty());
  const UsageRow& first = diff.more.front();
  EXPECT_EQ(first.function.what, "spin");
  EXPECT_LT(first.function.q, 1e-4);
  EXPECT_EQ(first.function.failing, (stats::Tally{10, 10}));
  EXPECT_EQ(first.block.what, "+0x55");
  EXPECT_EQ(first.block.passing, (stats::Tally{0, 10}));
  ASSERT_FALSE(diff.less.empty());
  EXPECT_EQ(diff.less.front().function.what, "common");
  // What is chance is told as that.
  for (const auto* side : {&diff.more, &diff.less})
    for (const UsageRow& row : *side) {
      const bool chance = row.function.what == "rare" || row.function.what == "boot";
      EXPECT_TRUE(!chance || row.function.q > 0.3) << row.function.what;
    }
  EXPECT_THAT(text_of(diff), HasSubstr("  1  "));
}

TEST(SeedsTest, WaysPartAtTheFirstMarkThatDiffers) {
  vm::Paths a{.blocks = {}, .marks = {{1, 2, 3}, {7}, {}}},
      b{.blocks = {}, .marks = {{1, 9, 3}, {7, 8}, {}}};
  EXPECT_THAT(first_other_marks(a, b), ElementsAre(vm::kJumpsOfAMark, vm::kJumpsOfAMark, 0));
}

vm::Visit jump(std::uint64_t instructions, unsigned cpu, std::uint64_t from, std::uint64_t to) {
  return {.what = vm::Visit::What::jump,
          .instructions = instructions,
          .address = to,
          .target = from,
          .cpu = cpu,
          .comm = ""};
}

TEST(SeedsTest, TheEarliestPartingIsFirst) {
  const std::vector<vm::Visit> bad = {jump(10, 0, 0x1010, 0x2000), jump(20, 1, 0x1010, 0x3000),
                                      jump(30, 0, 0x2010, 0x1000), jump(40, 1, 0x3010, 0x1000)},
                               good = {jump(10, 0, 0x1010, 0x2000), jump(20, 1, 0x1010, 0x4000),
                                       jump(31, 0, 0x2020, 0x1000)};
  const auto partings = part(bad, good, {64, 0}, symbols(), 0);
  ASSERT_EQ(partings.size(), 2u);
  EXPECT_EQ(partings[0].cpu, 1u);
  EXPECT_EQ(partings[0].jumps, 0u);
  EXPECT_EQ(partings[0].failing->to, "common+0x0/0x1000");
  EXPECT_EQ(partings[0].passing->to, "rare+0x0/0x0");
  EXPECT_EQ(partings[1].cpu, 0u);
  EXPECT_EQ(partings[1].jumps, 65u);
  EXPECT_EQ(partings[1].failing->from, "spin+0x10/0x1000");
  // The same, but one of them ends.
  const auto ended = part({bad[0], bad[2]}, {bad[0]}, {0}, symbols(), 0);
  ASSERT_EQ(ended.size(), 1u);
  EXPECT_FALSE(ended[0].passing.has_value());
  EXPECT_TRUE(part(bad, bad, {0, 0}, symbols(), 0).empty());
}

// KASLR goes by the seed: the same code lies elsewhere in each.
TEST(SeedsTest, AKernelThatLiesElsewhereIsTheSameKernel) {
  constexpr std::uint64_t kMoved = 0x4000000;
  SeedsDiff diff = twenty();
  for (Seed& seed : diff.passing)
    for (vm::Paths::Block& block : seed.paths.blocks) block.address += kMoved;
  diff.passing.back().paths.blocks.front().address += 8;
  find_slides(diff);
  EXPECT_EQ(diff.failing.back().slide, 0u);
  EXPECT_EQ(diff.passing.front().slide, kMoved);
  EXPECT_EQ(diff.passing.size(), 9u);
  EXPECT_EQ(diff.left_out.size(), 1u);
  rank_usage(symbols(), diff);
  EXPECT_EQ(diff.functions, 4u);
  EXPECT_EQ(diff.more.front().function.what, "spin");
  const auto here = jump(10, 0, 0x1010, 0x2000),
             there = jump(10, 0, 0x1010 + kMoved, 0x2000 + kMoved);
  EXPECT_TRUE(part({here}, {there}, {0}, symbols(), kMoved).empty());
}

}  // namespace
}  // namespace ktrial::bundle
