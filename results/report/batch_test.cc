#include "results/report/batch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "results/schema_check.h"
#include "results/store/json.h"

namespace ktrial::results {
namespace {
using ::testing::HasSubstr;
using ::testing::Not;

RunRecord run_of(const std::string& id, Outcome outcome, int trials) {
  RunRecord run;
  run.id = id;
  run.directory = "/runs/" + id;
  run.state = RunState::finished;
  run.spec = {.kernel = "k-" + id, .workload = "smoke", .cpus = 2, .memory_mib = 256};
  for (int i = 0; i < trials; ++i) {
    TrialRecord trial;
    trial.index = i;
    trial.verdict.outcome = outcome;
    trial.verdict.title = outcome == Outcome::fail ? "WARNING in f" : "";
    trial.verdict.signature = outcome == Outcome::fail ? "warning:f" : "";
    trial.verdict.reason = "why " + id;
    trial.artifacts = run.directory / "trials" / std::to_string(i);
    run.trials.push_back(trial);
  }
  run.verdict = overall(run.trials, trials);
  return run;
}

BatchRecord three_kernels() {
  return {.parts = {{"kernel=a cpus=2", run_of("a", Outcome::pass, 2), ""},
                    {"kernel=b cpus=2", run_of("b", Outcome::fail, 1), ""},
                    {"kernel=c cpus=2", std::nullopt, "no package named c\nin any suite"}},
          .expected = 6,
          .argv = {"ktrial", "run", "m.toml"}};
}

TEST(BatchReportTest, TheDocumentNamesEachRunAndEachTrialsRun) {
  expect_schema(batch_json(three_kernels()), "run");
  const auto json = parse_json(batch_json(three_kernels()));
  ASSERT_TRUE(json);
  const Json& document = *json;
  EXPECT_EQ(document["outcome"], "fail");
  EXPECT_EQ(document["id"], "");
  EXPECT_EQ(document["directory"], "");
  EXPECT_EQ(document["spec"]["workload"], "smoke");
  EXPECT_FALSE(document["spec"].contains("kernel")) << "they differ in it";
  ASSERT_EQ(document["trials"].size(), 3u);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(document["trials"][i]["index"], i);
  EXPECT_EQ(document["trials"][2]["run"], "b");
  EXPECT_EQ(document["trials"][2]["cell"], "kernel=b cpus=2");
  EXPECT_EQ(document["trials"][1]["artifacts"], "/runs/a/trials/1");
  ASSERT_EQ(document["runs"].size(), 3u);
  EXPECT_EQ(document["runs"][0]["id"], "a");
  EXPECT_EQ(document["runs"][0]["spec"]["kernel"], "k-a");
  EXPECT_TRUE(document["runs"][2]["id"].is_null());
  EXPECT_EQ(document["runs"][2]["problem"], "no package named c\nin any suite");
  EXPECT_EQ(document["state"], "interrupted");
}

TEST(BatchReportTest, TheTextShowsEveryCellAndThePageOfTheTellingRun) {
  const std::string text = batch_text(three_kernels());
  EXPECT_THAT(text, ::testing::StartsWith("FAIL  WARNING in f\n"));
  for (const char* part : {"2 pass, 1 fail, 0 inconclusive, in 3 runs", "kernel=a cpus=2  pass",
                           "kernel=b cpus=2  fail", "kernel=c cpus=2  -", "no package named c",
                           "\nRun b\n", "/runs/b"})
    EXPECT_THAT(text, HasSubstr(part));
  EXPECT_THAT(text, Not(HasSubstr("\nin any suite")));
}

TEST(BatchReportTest, OfManyCellsThoseThatDidNotPassAreShown) {
  BatchRecord many;
  for (int i = 0; i < 50; ++i)
    many.parts.push_back(
        {"n=" + std::to_string(i), run_of("r" + std::to_string(i), Outcome::pass, 1), ""});
  many.parts.push_back({"n=50", std::nullopt, "lost"});
  many.expected = 51;
  const std::string text = batch_text(many);
  EXPECT_THAT(text, HasSubstr("lost"));
  EXPECT_THAT(text, HasSubstr("... and 31 more"));
}

}  // namespace
}  // namespace ktrial::results
