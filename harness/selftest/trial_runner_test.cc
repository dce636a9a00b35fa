// The runner over a scripted engine: what it learns from a job's events.
#include "harness/selftest/trial_runner.h"

#include <gtest/gtest.h>

#include "harness/engine/fake_engine.h"
#include "harness/trial/plan.h"

namespace ktrial::selftest {
namespace {
using engine::FakeEngine;
using engine::JobId;

Fault named_fault(std::string_view name) { return choose_faults({std::string(name)})->front(); }

class TrialRunnerTest : public testing::Test {
 protected:
  Result<Planted> plant(const char* name, FakeEngine::Scripted scripted) {
    FakeEngine engine(
        [&](const run::Job& job, JobId) {
          submitted_ = job;
          return scripted;
        },
        1, [&](JobId, const run::Event& event) { dating_.hear(event); });
    return trial_runner({.results = "/selftest"}, engine, dating_)(named_fault(name),
                                                                   trial_of(named_fault(name), {}));
  }
  static FakeEngine::Scripted judged(std::vector<run::Event> events) {
    return {.seconds = 60,
            .record = engine::fake_record("x", results::Outcome::fail),
            .events = std::move(events)};
  }
  Dating dating_;
  run::Job submitted_;
};

TEST_F(TrialRunnerTest, TheTimeIsFromTheFaultToTheVerdict) {
  const auto planted =
      plant("soft_lockup", judged({{7, 0, run::Output{wire::Stream::out, "planting soft_lockup\n"}},
                                   {8, 0, run::Output{wire::Stream::out, "planting more\n"}},
                                   {19.5, 0, run::TrialEnded{}}}));
  ASSERT_TRUE(planted) << planted.error().message;
  EXPECT_TRUE(planted->begun);
  ASSERT_TRUE(planted->seconds);
  EXPECT_DOUBLE_EQ(*planted->seconds, 12.5);
  EXPECT_EQ(submitted_.spec.parameters.at("fault"), "soft_lockup");
  EXPECT_EQ(submitted_.results, "/selftest");
  EXPECT_EQ(submitted_.boots, 2);
}

// What one trial said is not the next one's.
TEST_F(TrialRunnerTest, EachTrialBeginsAnew) {
  ASSERT_TRUE(plant("oops", judged({{7, 0, run::Output{wire::Stream::out, "planting oops\n"}},
                                    {8, 0, run::TrialEnded{}}})));
  const auto second = plant(
      "oops", judged({{1, std::nullopt, run::Step{std::string(trial::kNoModule) + "no headers"}}}));
  ASSERT_TRUE(second);
  EXPECT_FALSE(second->begun);
  EXPECT_FALSE(second->seconds);
  EXPECT_EQ(second->no_module, "no headers");
}

TEST_F(TrialRunnerTest, WhatIsPlantedBeforeTheBootLastsAsLongAsTheTrial) {
  const auto planted = plant("init_death", judged({}));
  ASSERT_TRUE(planted);
  EXPECT_TRUE(planted->begun);
  EXPECT_EQ(planted->seconds, 10);
}

TEST_F(TrialRunnerTest, AnErrorALossAndAnInterruptionEndTheSelftest) {
  using engine::Finished, engine::Lost, engine::Cancelled;
  const auto kind_of = [&](engine::How how) {
    const auto planted = plant("oops", {.how = std::move(how)});
    EXPECT_FALSE(planted);
    return planted ? ErrorKind::internal : planted.error().kind;
  };
  EXPECT_EQ(kind_of(Finished{129, Error{ErrorKind::usage, "no kernel"}}), ErrorKind::usage);
  EXPECT_EQ(kind_of(Lost{"killed"}), ErrorKind::environment);
  EXPECT_EQ(kind_of(Cancelled{}), ErrorKind::interrupted);
}

}  // namespace
}  // namespace ktrial::selftest
