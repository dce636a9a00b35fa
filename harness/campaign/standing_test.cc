#include "harness/campaign/standing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ktrial::campaign {
namespace {

using results::Standing;
using testing::HasSubstr;

SeenCell cell(int pass, int fail = 0, const std::string& signature = "stall:f", int unjudged = 0) {
  SeenCell out{pass, fail, unjudged, {}};
  if (fail > 0) out.signatures[signature] = fail;
  return out;
}
Seen night(const std::string& id, std::map<std::string, SeenCell> cells) {
  return {id, {}, std::move(cells)};
}
Before before(const std::vector<Seen>& nights) {
  Before out{nights, {}};
  for (const Seen& one : nights)
    for (const auto& [name, c] : one.cells)
      for (const auto& [signature, count] : c.signatures) out.ever.try_emplace(signature, one.id);
  return out;
}
const auto kNothingKnown = [](const std::string&, const std::string&) { return false; };

TEST(StandingTest, EachIsToldByItsTest) {
  struct Row {
    SeenCell before, tonight;
    Standing want;
    const char* why;
  };
  const Row rows[] = {
      {cell(50), cell(50), Standing::clean, "rate < 5.8 % at 95 %"},
      {cell(50), cell(45, 5), Standing::fresh, "stall:f was never seen before"},
      {cell(50, 5), cell(50, 4), Standing::flaky, "no difference shown; flaky at 8.3 %"},
      {cell(50, 5), cell(20, 30), Standing::worse, "more (Boschloo"},
      {cell(20, 30), cell(50, 5), Standing::better, "fewer (Boschloo"},
      {cell(30, 20), cell(40), Standing::gone, "would have shown with 100 %"},
      {cell(49, 1), cell(40), Standing::flaky, "no difference shown"},
      {cell(50), cell(0, 0, "", 9), Standing::unknown, "none of 9 trials was judged"},
      {cell(50), cell(4, 0, "", 9), Standing::unknown, "host: 9 of 13"},
      {cell(50), {}, Standing::unknown, "no trial"},
  };
  for (const Row& row : rows) {
    const std::vector<Seen> earlier{night("n1", {{"a", row.before}})};
    const auto told = stand(night("n2", {{"a", row.tonight}}), before(earlier), kNothingKnown);
    EXPECT_EQ(told.cells.at("a").standing, row.want) << row.why;
    EXPECT_THAT(told.cells.at("a").why, HasSubstr(row.why));
  }
}

TEST(StandingTest, WhatThePlanKnowsIsKnownAndNothingElse) {
  const auto known = [](const std::string& signature, const std::string& name) {
    return signature == "stall:f" && name == "a";
  };
  auto both = cell(8, 2);
  both.fail += 1;
  both.signatures["oops:g"] = 1;
  const auto told = stand(night("n1", {{"a", cell(5, 5)}, {"b", cell(5, 5)}}), {}, known);
  EXPECT_EQ(told.cells.at("a").standing, Standing::known);
  EXPECT_EQ(told.cells.at("b").standing, Standing::fresh);
  EXPECT_EQ(told.signatures.at("stall:f").standing, Standing::fresh);  // not on b
  EXPECT_EQ(stand(night("n1", {{"a", both}}), {}, known).cells.at("a").standing, Standing::fresh);
  EXPECT_EQ(stand(night("n1", {{"a", cell(5, 5)}}), {}, known).signatures.at("stall:f").standing,
            Standing::known);
}

TEST(StandingTest, ASignatureOfAnotherCellIsNotNewButMayBeWorse) {
  const std::vector<Seen> earlier{night("n1", {{"a", cell(40, 10)}, {"b", cell(50)}})};
  const auto told = stand(night("n2", {{"a", cell(40, 10)}, {"b", cell(30, 20)}}), before(earlier),
                          kNothingKnown);
  EXPECT_EQ(told.cells.at("a").standing, Standing::flaky);
  EXPECT_EQ(told.cells.at("b").standing, Standing::worse);
}

TEST(StandingTest, SignaturesThatAreGoneAreTold) {
  const std::vector<Seen> earlier{night("n1", {{"a", cell(30, 20)}}),
                                  night("n2", {{"a", cell(30, 20)}})};
  const auto told = stand(night("n3", {{"a", cell(50)}}), before(earlier), kNothingKnown);
  EXPECT_EQ(told.signatures.at("stall:f").standing, Standing::gone);
  EXPECT_THAT(told.tests.front(), HasSubstr("Holm"));
}

// One cell of two hundred that is a little worse is what chance makes every night.
// 3 of 4 against 0 of 4 shows nothing by itself; the three cells together do.
TEST(StandingTest, WhatIsGoneFromTheNightIsGoneFromItsCells) {
  const std::vector<Seen> earlier{night(
      "n1",
      {{"a", cell(1, 3)}, {"b", cell(1, 3)}, {"c", cell(0, 4)}, {"d", cell(3, 1, "oops:g")}})};
  const auto tonight =
      night("n2", {{"a", cell(4)}, {"b", cell(4)}, {"c", cell(4)}, {"d", cell(4)}});
  const auto told = stand(tonight, before(earlier), kNothingKnown);
  ASSERT_EQ(told.signatures.at("stall:f").standing, Standing::gone);
  for (const char* name : {"a", "b", "c"}) {
    EXPECT_EQ(told.cells.at(name).standing, Standing::gone) << name;
    EXPECT_THAT(told.cells.at(name).why, HasSubstr("0 of 4 failed; stall:f is gone"));
  }
  EXPECT_EQ(told.cells.at("d").standing, Standing::flaky) << "its own signature is not gone";
}

TEST(StandingTest, ManyCellsAreCorrectedFor) {
  Seen first = night("n1", {}), second = night("n2", {});
  for (int i = 0; i < 200; ++i) {
    first.cells[std::to_string(i)] = cell(48, 2);
    second.cells[std::to_string(i)] = cell(48, 2);
  }
  second.cells["7"] = cell(38, 12);
  const std::vector<Seen> earlier{first};
  EXPECT_EQ(stand(second, before(earlier), kNothingKnown).cells.at("7").standing, Standing::flaky);
  const std::vector<Seen> alone{night("n1", {{"7", cell(48, 2)}})};
  EXPECT_EQ(stand(night("n2", {{"7", cell(38, 12)}}), before(alone), kNothingKnown)
                .cells.at("7")
                .standing,
            Standing::worse);
}

}  // namespace
}  // namespace ktrial::campaign
