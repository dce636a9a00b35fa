#include "harness/campaign/compare.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "harness/campaign/night.h"
#include "harness/engine/fake_engine.h"
#include "harness/stats/simulation.h"
#include "results/store/json.h"

namespace ktrial::campaign {
namespace {

using engine::FakeEngine;
using engine::JobId;
using results::Outcome;
using stats::Known;
using testing::HasSubstr;

Side side(const char* name, std::int64_t fails, std::int64_t trials) {
  return {name, "run", {fails, trials}, 0};
}

TEST(CompareTest, CountsAreComparedInBothDirections) {
  EXPECT_EQ(compare_counts(side("a", 0, 40), side("b", 10, 40), .95).verdict, Known::worse);
  EXPECT_EQ(compare_counts(side("a", 10, 40), side("b", 0, 40), .95).verdict, Known::better);
  const auto same = compare_counts(side("a", 1, 50), side("b", 3, 50), .95);
  EXPECT_EQ(same.verdict, Known::no_difference);
  EXPECT_THAT(compared_text(same), HasSubstr("would have been found with 90 %"));
  EXPECT_GT(same.shown_rate, .15);
  EXPECT_LT(same.shown_rate, .30);
  const auto none = compare_counts(side("a", 0, 0), side("b", 3, 50), .95);
  EXPECT_EQ(none.verdict, Known::not_yet);
  EXPECT_THAT(compared_text(none), HasSubstr("nothing is known"));
}

TEST(CompareTest, CampaignsAreComparedCellByCell) {
  Seen a, b;
  for (int i = 0; i < 20; ++i) {
    const std::string cell = " workload=w" + std::to_string(i);
    a.cells["kernel=6.18" + cell] = {48, 2, 0, {}};
    b.cells["kernel=6.19" + cell] = {48, 2, 0, {}};
  }
  EXPECT_EQ(compare_campaigns(side("a", 0, 0), a, side("b", 0, 0), b, .95).verdict,
            Known::no_difference);
  b.cells["kernel=6.19 workload=w7"] = {20, 30, 0, {}};
  const auto worse = compare_campaigns(side("a", 0, 0), a, side("b", 0, 0), b, .95);
  EXPECT_EQ(worse.verdict, Known::worse);
  ASSERT_EQ(worse.cells.size(), 20u);  // without their kernels
  EXPECT_EQ(worse.a.seen.trials, 1000);
  EXPECT_THAT(compared_text(worse), HasSubstr("worse: 2 of 50 -> 30 of 50"));
  Seen other;
  other.cells["cpus=9"] = {3, 0, 0, {}};
  EXPECT_EQ(compare_campaigns(side("a", 0, 0), a, side("b", 0, 0), other, .95).verdict,
            Known::not_yet);
}

// Jobs whose kernels fail at given rates; a part of them is not judged.
struct Lab {
  Lab(double a, double b, double unjudged = .1, std::uint64_t seed = 1)
      : coins(seed),
        engine(
            [=, this](const run::Job& job, JobId id) -> FakeEngine::Scripted {
              const double rate = job.spec.kernel == "a" ? a : b;
              const Outcome outcome = coins.toss(unjudged) ? Outcome::inconclusive
                                      : coins.toss(rate)   ? Outcome::fail
                                                           : Outcome::pass;
              return {.seconds = 10,
                      .record = engine::fake_record(std::to_string(id), outcome, "s")};
            },
            2) {}
  Sampled sampled(SampleOptions options = {}) {
    run::Job job_a, job_b;
    job_a.spec.kernel = "a";
    job_b.spec.kernel = "b";
    options.now = [this] { return engine.now(); };
    return sample(engine, job_a, job_b, {"a", "kernel", {}, 0}, {"b", "kernel", {}, 0}, options);
  }
  stats::Coins coins;
  FakeEngine engine;
};

TEST(CompareTest, SamplingEndsWhenItKnows) {
  Lab worse(.02, .5);
  const auto bad = worse.sampled();
  EXPECT_FALSE(bad.error);
  EXPECT_EQ(bad.compared.verdict, Known::worse);
  EXPECT_LT(bad.compared.b.seen.trials, 40);
  EXPECT_GT(bad.compared.a.inconclusive + bad.compared.b.inconclusive, 0);
  // In turn, so that a host that drifts is shared.
  EXPECT_EQ(worse.engine.submitted().at(1).spec.kernel, "a");
  EXPECT_EQ(worse.engine.submitted().at(2).spec.kernel, "b");
  EXPECT_EQ(Lab(.5, .02).sampled().compared.verdict, Known::better);
  EXPECT_EQ(Lab(0, 0).sampled().compared.verdict, Known::no_difference);
}

TEST(CompareTest, AShareOfThePairsBoots) {
  Lab same(.2, .2, 0);
  (void)same.sampled({.most = 20, .cold_share = .1});
  std::map<std::string, int> cold;
  for (const auto& [id, job] : same.engine.submitted())
    cold[job.spec.kernel] += job.spec.start == spec::Start::cold;
  EXPECT_EQ(cold["a"], 2);
  EXPECT_EQ(cold["b"], 2);
}

TEST(CompareTest, PairsOfDeterministicTrialsHaveTheNextSeed) {
  run::Job job{.spec = {.deterministic = true, .seed = 7},
               .argv = {"ktrial", "--seed", "7", "--seed=7"}};
  EXPECT_EQ(nth_job(job, 0, .5).spec, job.spec);
  const run::Job third = nth_job(job, 2, .5);
  EXPECT_EQ(third.spec.seed, 9);
  EXPECT_THAT(third.argv, testing::ElementsAre("ktrial", "--seed", "9", "--seed=7"));
}

TEST(CompareTest, SamplingIsSeldomWrong) {
  int wrong = 0;
  constexpr int kRuns = 100;
  for (int run = 0; run < kRuns; ++run) {
    const auto known =
        Lab(.2, .2, .05, 100 + static_cast<std::uint64_t>(run)).sampled().compared.verdict;
    wrong += known == Known::worse || known == Known::better;
  }
  EXPECT_LE(wrong, kRuns * .05 + 4 * std::sqrt(kRuns * .05));
}

TEST(CompareTest, SamplingKeepsToItsBoundsAndTellsWhatEndsIt) {
  const auto few = Lab(.1, .12, 0).sampled({.most = 10});
  EXPECT_EQ(few.compared.verdict, Known::no_difference);
  EXPECT_EQ(few.compared.a.seen.trials, 10);
  EXPECT_THAT(few.compared.test, HasSubstr("did not come to an end"));
  Lab brief(.1, .12, 0);
  (void)brief.sampled({.budget_s = 100});
  EXPECT_LE(brief.engine.now(), 100);
  Lab lost(.1, .1, 1);
  const auto hopeless = lost.sampled();
  ASSERT_TRUE(hopeless.error);
  EXPECT_EQ(hopeless.error->kind, ErrorKind::environment);
  EXPECT_EQ(hopeless.compared.verdict, Known::not_yet);
}

TEST(CompareTest, TheDocumentHasItsKeys) {
  const auto json =
      results::parse_json(compared_json(compare_counts(side("a", 0, 40), side("b", 10, 40), .95)));
  ASSERT_TRUE(json);
  EXPECT_EQ((*json)["verdict"], "worse");
  EXPECT_EQ((*json)["b"]["fail"], 10);
  EXPECT_EQ((*json)["schema"], 1);
  EXPECT_GT((*json)["b"]["rate"]["low"].get<double>(), .1);
}

}  // namespace
}  // namespace ktrial::campaign
