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
  return trial_lab(job, engine, [](const std::string& commit, const auto&) -> Result<Made> {
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
  EXPECT_EQ((*trials)[1].signature, "stall:f");
  EXPECT_EQ(engine.most_at_once(), 3);
  for (const auto& [id, job] : engine.submitted()) {
    EXPECT_EQ(job.spec.kernel, "deb:a");
    EXPECT_EQ(job.spec.repeat, 1);
    EXPECT_FALSE(job.spec.until_fail);
    EXPECT_EQ(job.results, "/session");
  }
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
  FakeEngine lost([](const run::Job&, JobId) {
    return FakeEngine::Scripted{.how = engine::Lost{"killed"}};
  });
  auto none = lab_over(lost)->run({"deb:a"}, 2);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().kind, ErrorKind::environment);
  EXPECT_EQ(none.error().message, "a trial was lost: killed");

  FakeEngine broken([](const run::Job&, JobId id) {
    if (id == 2) return FakeEngine::Scripted{.seconds = 2, .how = engine::Cancelled{}};
    return FakeEngine::Scripted{
        .how = engine::Finished{128, Error{ErrorKind::environment, "the disk is full"}}};
  });
  none = lab_over(broken)->run({"deb:a"}, 2);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().kind, ErrorKind::interrupted);
}

}  // namespace
}  // namespace ktrial::bisect
