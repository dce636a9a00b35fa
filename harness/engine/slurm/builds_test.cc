#include "harness/engine/slurm/builds.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ktrial::engine::slurm {
namespace {
using ::testing::HasSubstr;
using ::testing::SizeIs;

run::Job of_git(const std::string& revision) {
  run::Job job;
  job.spec.kernel = "git:" + revision;
  job.build.tree = "/tree";
  return job;
}

TEST(BuildsTest, AKernelIsMadeOnceForAllThatNeedIt) {
  Builds builds;
  const auto first = builds.take(1, of_git("v6"), "/shared/kernels");
  ASSERT_TRUE(first.submit);
  EXPECT_TRUE(Builds::is_build(first.submit->id));
  EXPECT_TRUE(first.submit->job.kernel_only);
  EXPECT_EQ(first.submit->job.cache, "/shared/kernels");
  EXPECT_FALSE(builds.take(2, of_git("v6"), "/shared/kernels").submit);
  EXPECT_TRUE(builds.take(3, of_git("v7"), "/shared/kernels").submit) << "another kernel";
  EXPECT_FALSE(builds.idle());
  const auto came =
      builds.done(first.submit->id, Finished{0, {}}, run::Made{"/shared/kernels/6", "", {}});
  ASSERT_THAT(came.ready, SizeIs(2));
  EXPECT_EQ(came.ready[1].job.spec.kernel, "/shared/kernels/6");
  const auto later = builds.take(4, of_git("v6"), "/shared/kernels");
  ASSERT_TRUE(later.submit);
  EXPECT_EQ(later.submit->id, 4u);
  EXPECT_EQ(later.submit->job.spec.kernel, "/shared/kernels/6");
}

TEST(BuildsTest, WhatDoesNotCompileIsToldToAll) {
  Builds builds;
  const auto first = builds.take(1, of_git("v6"), "/k");
  const auto came = builds.done(first.submit->id, Finished{125, {}}, run::Made{"", "no ;", "/log"});
  ASSERT_THAT(came.failed, SizeIs(1));
  const auto& error = std::get<Finished>(came.failed[0].how).error;
  EXPECT_EQ(error->kind, ErrorKind::usage);
  EXPECT_THAT(error->message, HasSubstr("git:v6 was not built: no ;"));
  EXPECT_TRUE(builds.take(2, of_git("v6"), "/k").failed);
  EXPECT_TRUE(builds.idle());
}

TEST(BuildsTest, ABuildThatIsLostLosesThemAndIsTriedAgain) {
  Builds builds;
  const auto first = builds.take(1, of_git("v6"), "/k");
  EXPECT_FALSE(builds.take(2, of_git("v6"), "/k").submit);
  EXPECT_TRUE(builds.cancel(2));
  EXPECT_FALSE(builds.cancel(2));
  const auto came = builds.done(first.submit->id, Lost{"NODE_FAIL"}, {});
  ASSERT_THAT(came.failed, SizeIs(1));
  EXPECT_TRUE(std::holds_alternative<Lost>(came.failed[0].how));
  EXPECT_TRUE(builds.take(3, of_git("v6"), "/k").submit);
}

TEST(BuildsTest, OneThatIsWantedForItselfIsMadeWhereAllSeeIt) {
  Builds builds;
  run::Job job = of_git("v6");
  job.kernel_only = true;
  const auto next = builds.take(1, job, "/shared/kernels");
  ASSERT_TRUE(next.submit);
  EXPECT_EQ(next.submit->id, 1u);
  EXPECT_EQ(next.submit->job.cache, "/shared/kernels");
}

TEST(BuildsTest, OtherKernelsPassThrough) {
  Builds builds;
  run::Job job;
  job.spec.kernel = "deb:linux";
  const auto next = builds.take(1, job, "/k");
  ASSERT_TRUE(next.submit);
  EXPECT_EQ(next.submit->id, 1u);
  EXPECT_FALSE(next.submit->job.cache);
}

}  // namespace
}  // namespace ktrial::engine::slurm
