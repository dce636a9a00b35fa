#include "harness/campaign/assemble.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ktrial::campaign {
namespace {

using results::Outcome;
using results::Standing;
using testing::HasSubstr;
using namespace std::chrono_literals;

spec::Plan plan() {
  return spec::parse_plan(R"(
name = "n"
budget = "1h"
[matrix]
kernel = ["6.18", "6.19"]
cpus = [2, 4]
[goal]
trials = 20
[[known]]
signature = "stall:old"
kernel = "*19*"
until = 2027-06-30
link = "https://example.org/1"
)",
                          "n.toml")
      .value();
}

Night night(const std::string& id) {
  return {.id = id, .plan_file = "n.toml", .used_s = 100, .cores = 4, .today = "2027-01-01"};
}
void add(Night& night, std::size_t cell, Outcome outcome, int count,
         const std::string& signature = "") {
  for (int i = 0; i < count; ++i) {
    TrialFact trial{.cell = cell, .run = "run" + std::to_string(night.trials.size())};
    trial.verdict.outcome = outcome;
    trial.verdict.signature = signature;
    trial.verdict.title = signature.empty() ? "" : "title of " + signature;
    trial.started_at = results::TimePoint(1s * night.trials.size());
    trial.duration_s = 1;
    night.trials.push_back(trial);
  }
}

TEST(AssembleTest, CountsNamesAndSaysWhatIsCommon) {
  Night tonight = night("n-1");
  add(tonight, 0, Outcome::pass, 20);
  add(tonight, 1, Outcome::pass, 15);
  add(tonight, 2, Outcome::pass, 10);
  add(tonight, 2, Outcome::fail, 10, "stall:old");
  add(tonight, 3, Outcome::pass, 12);
  add(tonight, 3, Outcome::fail, 8, "oops:new");
  add(tonight, 3, Outcome::inconclusive, 2);
  const auto record = assemble(plan(), tonight, {});
  ASSERT_EQ(record.cells.size(), 4u);
  EXPECT_EQ(record.cells[0].standing, Standing::clean);
  EXPECT_EQ(record.cells[0].goal, "20 trials: reached");
  EXPECT_EQ(record.cells[1].goal, "20 trials: 15 so far");
  EXPECT_EQ(record.cells[2].standing, Standing::known);
  EXPECT_EQ(record.cells[3].standing, Standing::fresh);
  EXPECT_EQ(record.cells[3].trials(), 22);
  EXPECT_NEAR(record.cells[2].rate.low, .272, 1e-3);
  ASSERT_EQ(record.signatures.size(), 2u);
  const auto& fresh = record.signatures[0];
  EXPECT_EQ(fresh.signature, "oops:new");
  EXPECT_EQ(fresh.title, "title of oops:new");
  EXPECT_EQ(fresh.run, record.cells[3].strip[12].run);
  EXPECT_EQ(record.cells[3].strip[12].signature, 0u);
  EXPECT_THAT(fresh.common, HasSubstr("only"));
  EXPECT_FALSE(fresh.known);
  ASSERT_TRUE(record.signatures[1].known);
  EXPECT_EQ(record.signatures[1].known->link, "https://example.org/1");
  EXPECT_FALSE(record.signatures[1].known->expired);
  EXPECT_EQ(record.budget.asked_s, 3600);
  EXPECT_EQ(record.budget.possible_vm_s, 400);
  EXPECT_EQ(record.nights.size(), 1u);
}

TEST(AssembleTest, WhatIsKnownExpiresLoudly) {
  Night tonight = night("n-1");
  tonight.today = "2027-07-01";
  add(tonight, 2, Outcome::fail, 3, "stall:old");
  const auto record = assemble(plan(), tonight, {});
  EXPECT_EQ(record.cells[2].standing, Standing::fresh);
  EXPECT_TRUE(record.signatures[0].known->expired);
  EXPECT_THAT(record.signatures[0].why, HasSubstr("the plan knew it until 2027-06-30"));
}

TEST(AssembleTest, TheNextNightKnowsTheOneBefore) {
  Night first = night("n-1");
  add(first, 0, Outcome::pass, 10);
  add(first, 0, Outcome::fail, 10, "stall:a");
  add(first, 1, Outcome::pass, 10);
  add(first, 1, Outcome::fail, 10, "stall:b");
  const auto before = to_file(assemble(plan(), first, {}), seen_of(plan(), first));
  EXPECT_EQ(before.fresh_signatures, 2);
  Night second = night("n-2");
  add(second, 0, Outcome::pass, 20);
  add(second, 1, Outcome::pass, 10);
  add(second, 1, Outcome::fail, 10, "stall:b");
  add(second, 3, Outcome::fail, 1, "oops:c");
  const std::vector<NightFile> earlier{before};
  const auto record = assemble(plan(), second, earlier);
  EXPECT_EQ(record.cells[0].standing, Standing::gone);
  EXPECT_EQ(record.cells[1].standing, Standing::flaky);
  EXPECT_EQ(record.cells[3].standing, Standing::fresh);
  ASSERT_EQ(record.signatures.size(), 3u);
  EXPECT_EQ(record.signatures[0].signature, "oops:c");
  EXPECT_EQ(record.signatures[2].signature, "stall:a");
  EXPECT_EQ(record.signatures[2].standing, Standing::gone);
  EXPECT_EQ(record.signatures[2].title, "title of stall:a");  // of the night that saw it
  EXPECT_THAT(record.signatures[2].nights, testing::ElementsAre(10, 0));
  EXPECT_EQ(record.nights.back().fresh_signatures, 1);
}

TEST(AssembleTest, BusyIsWhatTheHostHad) {
  Night tonight = night("n-1");
  add(tonight, 0, Outcome::pass, 2);  // 2 vCPUs in the seconds 0 to 1 and 1 to 2
  add(tonight, 1, Outcome::pass, 1);  // 4 in 2 to 3
  EXPECT_DOUBLE_EQ(busy_s(plan(), tonight.trials, 4), 8);
  EXPECT_DOUBLE_EQ(busy_s(plan(), tonight.trials, 2), 6);
  tonight.trials[2].prepared_s = 1;  // a template's boot, while the other still ran
  EXPECT_DOUBLE_EQ(busy_s(plan(), tonight.trials, 8), 12);
  tonight.trials[2].prepared_s = 0;
  tonight.trials[1].started_at = tonight.trials[0].started_at;
  EXPECT_DOUBLE_EQ(busy_s(plan(), tonight.trials, 3), 6);
}

TEST(AssembleTest, ATemplateIsAMachinesTime) {
  results::RunRecord run;
  run.trials.resize(3);
  run.trials[0].facts = {{"other", "7"}, {results::kTemplateMade, "4.250"}};
  run.trials[1].facts = {{results::kTemplateMade, "nan"}};
  const auto facts = facts_of(run, 0);
  ASSERT_EQ(facts.size(), 3u);
  EXPECT_EQ(facts[0].prepared_s, 4.25);
  EXPECT_EQ(facts[1].prepared_s, 0);
  EXPECT_EQ(facts[2].prepared_s, 0);
}

}  // namespace
}  // namespace ktrial::campaign
