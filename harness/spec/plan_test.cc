#include "harness/spec/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <test_paths.h>

namespace ktrial::spec {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string plan_problems(std::string_view toml) {
  auto plan = parse_plan(toml, "t.toml");
  if (plan) return "";
  EXPECT_EQ(plan.error().kind, ErrorKind::usage);
  return plan.error().message;
}

Plan plan_of(std::string_view toml) {
  auto plan = parse_plan(toml, "t.toml");
  EXPECT_TRUE(plan) << plan.error().message;
  return plan.value_or(Plan{});
}

// The example of the command-line contract, as scripts have it.
TEST(PlanTest, TakesTheExample) {
  auto plan = load_plan(KTRIAL_SOURCE_DIR "/harness/spec/testdata/nightly.toml");
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_EQ(plan->name, "nightly");
  EXPECT_EQ(plan->budget, std::chrono::minutes(30));
  EXPECT_EQ(plan->goal, (Goal{Goal::Kind::trials, 20, 0}));
  ASSERT_EQ(plan->cells.size(), 8u);
  EXPECT_EQ(cell_name(plan->cells[1].spec),
            "kernel=deb:linux-image-6.18.15+deb13-cloud-amd64 workload=fork-storm cpus=4");
  EXPECT_EQ(plan->cells[1].spec.duration, std::chrono::seconds(5));
  ASSERT_EQ(plan->known.size(), 1u);
  const Known& known = plan->known.front();
  EXPECT_EQ(known.until, "2027-06-30");
  EXPECT_TRUE(covers(known, "stall:mm_get_cid", plan->cells[7].spec.kernel));
  EXPECT_FALSE(covers(known, "stall:mm_get_cid", plan->cells[0].spec.kernel));
  EXPECT_FALSE(covers(known, "oops:mm_get_cid", plan->cells[7].spec.kernel));
  EXPECT_FALSE(expired(known, "2027-06-30"));
  EXPECT_TRUE(expired(known, "2027-07-01"));
}

TEST(PlanTest, ReadsEveryKey) {
  auto plan = load_plan(KTRIAL_SOURCE_DIR "/harness/spec/testdata/plan.toml");
  ASSERT_TRUE(plan) << plan.error().message;
  EXPECT_EQ(plan->max_trials, 5000);
  EXPECT_EQ(plan->seed, 7u);
  EXPECT_EQ(plan->nights, 3);
  EXPECT_EQ(plan->keep_per_signature, 5);
  EXPECT_TRUE(plan->keep_passes);
  EXPECT_THAT(plan->on_new_failure, ElementsAre("/usr/local/bin/tell", "--new"));
  EXPECT_THAT(plan->at_end, ElementsAre("mail", "-s", "nightly"));
  EXPECT_EQ(plan->build.compiler, "clang");
  EXPECT_EQ(plan->goal.kind, Goal::Kind::rate_below);
  EXPECT_EQ(plan->confidence, .99);
  // 2 kernels x 2 commands x 2 x 2 x 2, less a quarter, and one more.
  ASSERT_EQ(plan->cells.size(), 25u);
  EXPECT_EQ(cell_name(plan->cells[13].spec),
            "kernel=git:master command=stress -c 'a b' memory=2G append= config=lockdep,slub");
  EXPECT_THAT(plan->cells[13].spec.command, ElementsAre("stress", "-c", "a b"));
  EXPECT_EQ(plan->cells[13].spec.memory_mib, 2048);
  EXPECT_THAT(plan->cells[13].config, ElementsAre("kasan", "lockdep", "slub"));
  const PlanCell& more = plan->cells.back();
  EXPECT_EQ(cell_name(more.spec), "cpus=8 kernel=host set.threads=3 workload=fork-storm");
  EXPECT_EQ(more.spec.parameters.at("threads"), "3");
  EXPECT_EQ(plan->known.front().link, "https://lore.kernel.org/r/1");
}

TEST(PlanTest, TellsAllProblemsAtOnceWithTheirLines) {
  EXPECT_EQ(plan_problems("name = 'a b'\n"
                          "budget = '0s'\n"
                          "bugdet = '1h'\n"
                          "repeat = 3\n"
                          "[matrix]\n"
                          "cpus = [0]\n"
                          "memory = ['2X']\n"
                          "[goal]\n"
                          "trials = 0\n"
                          "[[known]]\n"
                          "until = 2027-06-30T00:00:00\n"),
            "t.toml:1: name: must be 1 to 64 letters, digits, '_', '-' and '.': a folder has it\n"
            "t.toml:2: budget: 0 leaves no time for a trial\n"
            "t.toml:3: bugdet: unknown key; did you mean 'budget'?\n"
            "t.toml:4: repeat: is not of a plan; [goal] says when a cell has had enough\n"
            "t.toml:6: matrix.cpus: must be an integer in 1..255\n"
            "t.toml:7: matrix.memory: '2X' is not a size; write it like 512M or 2G\n"
            "t.toml:9: goal.trials: 0 is outside 1..1000000\n"
            "t.toml:10: known.signature: is missing\n"
            "t.toml:11: known.until: must be a day, as 2027-06-30");
}

TEST(PlanTest, MustEnd) {
  EXPECT_THAT(plan_problems("name = 'n'"), HasSubstr("need not end"));
  EXPECT_THAT(plan_problems("name = 'n'\n[goal]\nuntil_fail = true"),
              HasSubstr("t.toml:2: goal: "));
  EXPECT_THAT(plan_problems("name = 'n'\n[goal]\nrate_below = 0.1"), HasSubstr("need not end"));
  EXPECT_EQ(plan_problems("name = 'n'\n[goal]\ntrials = 3"), "");
  EXPECT_EQ(plan_problems("name = 'n'\nmax_trials = 9\n[goal]\nuntil_fail = true"), "");
  EXPECT_EQ(plan_of("name = 'n'\nbudget = '1h'").goal.kind, Goal::Kind::none);
  EXPECT_THAT(plan_problems("name = 'n'\n[goal]\ntrials = 3\nrate_below = 0.1"),
              HasSubstr("exclude"));
}

TEST(PlanTest, CellsAreDistinctAndFew) {
  constexpr char kHead[] = "name = 'n'\nbudget = '1h'\n";
  EXPECT_THAT(plan_problems(std::string(kHead) + "[matrix]\ncpus = [2, 2]"),
              HasSubstr("two cells are called 'cpus=2'"));
  EXPECT_THAT(plan_problems(std::string(kHead) + "[matrix]\ncpus = [2]\n[[exclude]]\ncpus = 2"),
              HasSubstr("no cell of the matrix is left"));
  EXPECT_THAT(plan_problems(std::string(kHead) + "[matrix]\ncpus = [2]\n[[exclude]]\nkernel = '*'"),
              HasSubstr("exclude.kernel: is no axis of the matrix"));
  EXPECT_THAT(plan_problems(std::string(kHead) + "[matrix]\nkernel = ['git:master']"),
              HasSubstr("tree: is missing"));
  EXPECT_THAT(plan_problems(std::string(kHead) + "[matrix]\nduration=['9s']\ntimeout = ['5s']"),
              HasSubstr("timeout: is not longer than duration"));
}

}  // namespace
}  // namespace ktrial::spec
