#include "harness/engine/fake_engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ktrial::engine {
namespace {
using ::testing::ElementsAre;

// Jobs take as many seconds as they have vCPUs.
FakeEngine::Scripted by_cpus(const run::Job& job, JobId id) {
  return {.seconds = static_cast<double>(job.spec.cpus),
          .record = fake_record(std::to_string(id), results::Outcome::pass),
          .events = {{0.5, 0, run::Step{"step of " + std::to_string(id)}}}};
}
run::Job small_job(int cpus) {
  run::Job job;
  job.spec.cpus = cpus;
  return job;
}
std::vector<JobId> drain(FakeEngine& engine) {
  std::vector<JobId> out;
  while (auto done = engine.next()) out.push_back(done->job);
  return out;
}

TEST(FakeEngineTest, JobsEndInTheOrderOfVirtualTime) {
  std::vector<JobId> spoke;
  FakeEngine engine(by_cpus, 2, [&](JobId job, const run::Event&) { spoke.push_back(job); });
  for (const int cpus : {5, 1, 2, 1}) engine.submit(small_job(cpus));
  EXPECT_THAT(drain(engine), ElementsAre(2, 3, 4, 1));
  EXPECT_EQ(engine.now(), 5);
  EXPECT_EQ(engine.most_at_once(), 2);
  EXPECT_THAT(spoke, ElementsAre(1, 2, 3, 4));
}

TEST(FakeEngineTest, CancelledJobsAreToldOnce) {
  FakeEngine engine(by_cpus, 1);
  for (int i = 0; i < 3; ++i) engine.submit(small_job(1));
  engine.cancel(3);
  engine.cancel(3);
  EXPECT_THAT(drain(engine), ElementsAre(3, 1, 2));
  engine.interrupt();
  engine.submit(small_job(1));
  const auto done = engine.next();
  ASSERT_TRUE(done);
  EXPECT_TRUE(std::holds_alternative<Cancelled>(done->how));
  EXPECT_FALSE(engine.next());
}

}  // namespace
}  // namespace ktrial::engine
