// The lab over a scripted engine: what reaches the search of what became of the trials.
#include "harness/bisect/trial_lab.h"

#include <gtest/gtest.h>

#include "harness/engine/fake_engine.h"

namespace ktrial::bisect {
namespace {
using engine::FakeEngine;
using engine::JobId;
using results::Outcome;

std::unique_ptr<Lab> lab_over(engine::Engine& engine) {
  run::Job job;
  job.spec.repeat = 7;
  job.spec.until_fail = true;
  job.results = "/session";
  return trial_lab(job, engine, [](const std::string& commit) -> Result<Made> {
    return MadeKernel{"deb:" + commit};
  });
}
FakeEngine::Scripted judged(JobId id) {
  return {.seconds = 20.0 - static_cast<double>(id),
          .record = engine::fake_record(std::to_string(id), id == 2 ? Outcome::fail : Outcome::pass,
                                        id == 2 ? "stall:f" : "")};
}

TEST(TrialLabTest, TrialsRunBesideEachOtherAndComeBackInTheirOrder) {
  FakeEngine engine([](const run::Job&, JobId id) { return judged(id); });
  const auto trials = lab_over(engine)->run({"deb:a"}, 3);
  ASSERT_TRUE(trials) << trials.error().message;
  ASSERT_EQ(trials->size(), 3u);
  EXPECT_EQ((*trials)[1].verdict.signature, "stall:f");
  EXPECT_EQ(engine.most_at_once(), 3);
  for (const auto& [id, job] : engine.submitted()) {
    EXPECT_EQ(job.spec.kernel, "deb:a");
    EXPECT_EQ(job.spec.repeat, 1);
    EXPECT_FALSE(job.spec.until_fail);
    EXPECT_EQ(job.results, "/session");
  }
}

// A seed that is run again is the same trial again, and no more evidence.
TEST(TrialLabTest, EachDeterministicTrialIsAnotherSeed) {
  FakeEngine engine([](const run::Job&, JobId id) { return judged(id); });
  run::Job job;
  job.spec.deterministic = true;
  job.spec.seed = 5;
  const auto lab = trial_lab(job, engine, nullptr);
  ASSERT_TRUE(lab->run({"deb:a"}, 3));
  ASSERT_TRUE(lab->run({"deb:b"}, 2));
  int seed = 5;
  for (const auto& [id, submitted] : engine.submitted()) EXPECT_EQ(submitted.spec.seed, seed++);
  EXPECT_EQ(seed, 10);
}

TEST(TrialLabTest, ALostTrialIsNoEvidenceAndLosesNoOther) {
  FakeEngine engine([](const run::Job&, JobId id) {
    return id == 1 ? FakeEngine::Scripted{.how = engine::Lost{"killed"}} : judged(id);
  });
  const auto trials = lab_over(engine)->run({"deb:a"}, 3);
  ASSERT_TRUE(trials);
  EXPECT_EQ(trials->size(), 2u);
}

TEST(TrialLabTest, WithNoneJudgedTheReasonIsToldAnInterruptionFirst) {
  FakeEngine lost(
      [](const run::Job&, JobId) { return FakeEngine::Scripted{.how = engine::Lost{"killed"}}; });
  auto none = lab_over(lost)->run({"deb:a"}, 2);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().kind, ErrorKind::environment);
  EXPECT_EQ(none.error().message, "a job was lost: killed");

  FakeEngine broken([](const run::Job&, JobId id) {
    if (id == 2) return FakeEngine::Scripted{.seconds = 2, .how = engine::Cancelled{}};
    return FakeEngine::Scripted{
        .how = engine::Finished{128, Error{ErrorKind::environment, "the disk is full"}}};
  });
  none = lab_over(broken)->run({"deb:a"}, 2);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().kind, ErrorKind::interrupted);
}

// Beside trials, by a job of its own, and in virtual time.
class AsideTest : public testing::Test {
 protected:
  // Trials take 20 s.
  std::unique_ptr<Lab> lab(double seconds, std::optional<run::Made> made,
                           engine::How how = engine::Finished{}) {
    engine_.emplace([=](const run::Job& job, JobId id) {
      if (job.kernel_only)
        return FakeEngine::Scripted{.seconds = seconds, .how = how, .made = made};
      auto out = judged(id);
      out.seconds = 20;
      return out;
    });
    return lab_over(*engine_);
  }
  std::optional<FakeEngine> engine_;
};

TEST_F(AsideTest, AKernelMadeWhileTrialsRanIsThereAfterThem) {
  const auto lab = this->lab(10, run::Made{"/cache/build/b", "", ""});
  lab->begin_aside("b");
  EXPECT_FALSE(lab->take_aside(false)) << "nobody waited";
  ASSERT_TRUE(lab->run({"deb:a"}, 2));
  EXPECT_EQ(engine_->now(), 20);
  const auto made = lab->take_aside(false);
  ASSERT_TRUE(made && *made);
  EXPECT_EQ(std::get<MadeKernel>(**made).reference, "/cache/build/b");
  EXPECT_EQ(engine_->submitted().at(1).spec.kernel, "git:b");
}

TEST_F(AsideTest, WithoutAMakerAJobMakesWhatIsWanted) {
  (void)lab(10, run::Made{"/shared/kernels/b", "", ""});
  const auto lab = trial_lab({}, *engine_, nullptr);
  const auto made = lab->make("b");
  ASSERT_TRUE(made);
  EXPECT_EQ(std::get<MadeKernel>(*made).reference, "/shared/kernels/b");
  EXPECT_EQ(engine_->submitted().at(1).spec.kernel, "git:b");
  EXPECT_TRUE(engine_->submitted().at(1).kernel_only);
}

TEST_F(AsideTest, ALongerOneIsWaitedForOnlyWhenItIsWanted) {
  const auto lab = this->lab(100, run::Made{"", "it does not compile", "/log"});
  lab->begin_aside("b");
  ASSERT_TRUE(lab->run({"deb:a"}, 2));
  EXPECT_EQ(engine_->now(), 20) << "the trials are told at once";
  EXPECT_FALSE(lab->take_aside(false));
  const auto made = lab->take_aside(true);
  EXPECT_EQ(engine_->now(), 100);
  ASSERT_TRUE(made && *made);
  EXPECT_EQ(std::get<Unbuildable>(**made).reason, "it does not compile");
}

TEST_F(AsideTest, WhatIsStoppedDoesNotComeBack) {
  const auto lab = this->lab(100, run::Made{"/cache/build/b", "", ""});
  lab->begin_aside("b");
  ASSERT_TRUE(lab->run({"deb:a"}, 1));
  lab->stop_aside();
  EXPECT_EQ(engine_->now(), 20);
  EXPECT_FALSE(lab->take_aside(false));
  ASSERT_TRUE(lab->run({"deb:a"}, 1));
}

TEST_F(AsideTest, ALostOneIsAnError) {
  const auto lab = this->lab(5, std::nullopt, engine::Lost{"killed"});
  lab->begin_aside("b");
  const auto made = lab->take_aside(true);
  ASSERT_TRUE(made);
  ASSERT_FALSE(*made);
  EXPECT_EQ(made->error().kind, ErrorKind::environment);
}

}  // namespace
}  // namespace ktrial::bisect
