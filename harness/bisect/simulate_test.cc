#include "harness/bisect/simulate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "results/schema_check.h"

namespace ktrial::bisect {
namespace {

const Cell& cell_of(const std::vector<Cell>& cells, const std::string& strategy, double p,
                    double q) {
  return *std::ranges::find_if(cells, [&](const Cell& c) {
    return c.strategy.starts_with(strategy) && c.with_bug == p && c.without_bug == q;
  });
}

// A small version of the table in docs, with room for chance at a fixed seed.
TEST(SimulateTest, IsRightMoreOftenThanFixedTriesAtACostNearTheBound) {
  const SimulateOptions options{.commits = 128, .trials = 40, .with_bug = {0.1, 0.9}};
  const auto cells = simulate(options);
  ASSERT_TRUE(cells) << cells.error().message;
  ASSERT_EQ(cells->size(), 6u * 2 * 2);
  for (const double p : options.with_bug)
    for (const double q : options.without_bug) {
      EXPECT_GE(cell_of(*cells, "ktrial, p and q unknown", p, q).accuracy, 0.9) << p << " " << q;
      EXPECT_GE(cell_of(*cells, "ktrial, p and q given", p, q).accuracy, 0.85) << p << " " << q;
      EXPECT_LT(cell_of(*cells, "ktrial, p and q given", p, q).bound_ratio, 1.6) << p << " " << q;
      EXPECT_GE(cell_of(*cells, "ktrial, p unknown", p, q).accuracy, 0.85) << p << " " << q;
      EXPECT_LE(cell_of(*cells, "ktrial, p unknown", p, q).cost,
                cell_of(*cells, "ktrial, p and q unknown", p, q).cost)
          << p << " " << q;
    }
  EXPECT_LT(cell_of(*cells, "git bisect, 10 tries", 0.1, 0).accuracy, 0.5);
  EXPECT_LT(cell_of(*cells, "syzkaller", 0.1, 0).accuracy, 0.5);
  EXPECT_GE(cell_of(*cells, "git bisect, tries from known p", 0.1, 0).accuracy, 0.85);
  EXPECT_LT(cell_of(*cells, "git bisect, tries from known p", 0.1, 0.02).accuracy, 0.6);
}

TEST(SimulateTest, SameSeedSameTable) {
  const SimulateOptions options{.commits = 32, .trials = 5, .with_bug = {0.5}, .without_bug = {0}};
  const auto table = simulate_table(options);
  ASSERT_TRUE(table);
  EXPECT_EQ(*table, *simulate_table(options));
  SimulateOptions other = options;
  other.seed = 2;
  EXPECT_NE(*table, *simulate_table(other));
}

TEST(SimulateTest, TheDocumentHasAllCellsOfTheTable) {
  const SimulateOptions options{.commits = 16, .trials = 2};
  const auto text = simulate_json(options);
  ASSERT_TRUE(text);
  results::expect_schema(*text, "bisect-simulate");
  const auto json = nlohmann::json::parse(*text);
  const auto cells = simulate(options);
  EXPECT_EQ(json["trials"], 2);
  ASSERT_EQ(json["cells"].size(), cells->size());
  EXPECT_EQ(json["cells"][0]["strategy"], cells->front().strategy);
  EXPECT_EQ(json["cells"][0]["accuracy"], cells->front().accuracy);
}

TEST(SimulateTest, RefusesOptionsThatMakeNoSense) {
  const SimulateOptions cases[] = {
      {.commits = 1},       {.trials = 0},       {.with_bug = {}},        {.without_bug = {}},
      {.with_bug = {0.02}}, {.with_bug = {1.2}}, {.without_bug = {-0.1}}, {.build_cost = -1},
      {.confidence = 1},    {.confidence = 0.2}};
  for (const SimulateOptions& options : cases) {
    const auto cells = simulate(options);
    ASSERT_FALSE(cells);
    EXPECT_EQ(cells.error().kind, ErrorKind::usage);
  }
}

}  // namespace
}  // namespace ktrial::bisect
