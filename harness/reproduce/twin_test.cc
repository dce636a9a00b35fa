#include "harness/reproduce/twin.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "harness/engine/fake_engine.h"

namespace ktrial::reproduce {
namespace {
using engine::FakeEngine;
using engine::JobId;
using results::Outcome;
using ::testing::HasSubstr;

FakeEngine::Scripted shown(const std::string& signature, int runs = 2) {
  auto record =
      engine::fake_record("r", signature.empty() ? Outcome::pass : Outcome::fail, signature);
  results::Determinism state;
  state.runs = runs;
  record.trials.front().determinism = state;
  record.trials.front().verdict.title = signature;
  return {.seconds = 20, .record = record};
}

std::vector<TwinVariant> two_variants() {
  spec::TrialSpec spec;
  spec.trace = "sched";
  spec.accel = spec::Accel::kvm;
  spec.repeat = 30;
  auto all = twin_variants(spec, nullptr);
  all.resize(2);
  return all;
}

struct Searched {
  FakeEngine engine;
  Result<TwinSearch> found = fail(ErrorKind::internal, "not run");
  Searched(FakeEngine::Script script, TwinOptions options) : engine(std::move(script), 2) {
    options.now = [this] { return engine.now(); };
    found = find_twin(two_variants(), "stall:f", {}, engine, options, [](const std::string&) {});
  }
};

TEST(TwinTest, VariantsAreDeterministicAndKeepTheGuest) {
  spec::TrialSpec failed;
  failed.parameters = {{"rounds", "3"}};
  failed.cpus = 3;
  failed.start = spec::Start::warm;
  const spec::HintedWorkload hinted{
      .info = {}, .touches = {}, .races = {{"rounds", "9"}, {"extra", "8"}}};
  const auto all = twin_variants(failed, &hinted);
  ASSERT_EQ(all.size(), 5u);
  for (const TwinVariant& one : all) {
    EXPECT_TRUE(one.spec.deterministic);
    EXPECT_EQ(one.spec.start, spec::Start::automatic);
    EXPECT_EQ(one.spec.cpus, 3);
    EXPECT_EQ(one.spec.parameters.at("rounds"), "3");  // what was set is not varied
  }
  EXPECT_EQ(all[0].what, "as it ran, shift 4");
  EXPECT_EQ(all[2].what, "extra=8, shift 4");
  EXPECT_EQ(all[2].spec.parameters.at("extra"), "8");
}

TEST(TwinTest, GoesOnUntilTheSameFailureCameTwiceTheSame) {
  const Searched searched(
      [](const run::Job& job, JobId) {
        EXPECT_EQ(job.spec.trace, "");
        EXPECT_EQ(job.spec.repeat, 1);
        if (job.spec.shift == 4 && job.spec.seed == 2) return shown("stall:other");
        if (job.spec.shift == 2 && job.spec.seed == 1) return shown("stall:f", 1);
        return job.spec.shift == 4 && job.spec.seed == 3 ? shown("stall:f") : shown("");
      },
      {});
  const auto& found = searched.found;
  ASSERT_TRUE(found) << found.error().message;
  ASSERT_TRUE(found->twin);
  EXPECT_EQ(found->twin->spec.seed, 3);
  EXPECT_EQ(found->twin->spec.shift, 4);
  EXPECT_EQ(found->trials.size(), 4u);  // (4,1) (4,2) (2,1) (4,3)
  EXPECT_EQ(found->seconds, 80);
}

TEST(TwinTest, TheBudgetEndsIt) {
  const auto pass = [](const run::Job&, JobId) { return shown(""); };
  const Searched by_time(pass, {.budget_s = 50});
  ASSERT_TRUE(by_time.found);
  EXPECT_FALSE(by_time.found->twin);
  EXPECT_EQ(by_time.found->trials.size(), 3u);
  const Searched by_trials(pass, {.most_trials = 5});
  EXPECT_EQ(by_trials.found->trials.size(), 5u);
  // No machine is asked for the same twice.
  std::set<std::pair<int, int>> tried;
  for (const auto& [id, job] : by_trials.engine.submitted())
    EXPECT_TRUE(tried.emplace(job.spec.shift, job.spec.seed).second);
}

TEST(TwinTest, BesideEachOtherThoseThatRunAreEndedWhenOneIsFound) {
  const Searched searched(
      [](const run::Job& job, JobId) {
        auto scripted = job.spec.seed == 1 ? shown("stall:f") : shown("");
        scripted.seconds = job.spec.seed == 1 ? 10 : 1000;
        return scripted;
      },
      {.at_once = 2});
  ASSERT_TRUE(searched.found && searched.found->twin);
  EXPECT_LT(searched.found->seconds, 100);
}

TEST(TwinTest, WhereNothingRunsTheReasonIsTold) {
  const Searched lost(
      [](const run::Job&, JobId) { return FakeEngine::Scripted{.how = engine::Lost{"killed"}}; },
      {});
  ASSERT_FALSE(lost.found);
  EXPECT_THAT(lost.found.error().message, HasSubstr("killed"));
  const Searched wrong(
      [](const run::Job&, JobId) {
        return FakeEngine::Scripted{
            .how = engine::Finished{129, Error{ErrorKind::usage, "deterministic: no", ""}}};
      },
      {});
  ASSERT_FALSE(wrong.found);
  EXPECT_EQ(wrong.found.error().kind, ErrorKind::usage);
  EXPECT_EQ(wrong.engine.submitted().size(), 1u);
}

}  // namespace
}  // namespace ktrial::reproduce
