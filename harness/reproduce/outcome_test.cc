// What a reproduction ends with: its exit status, how sure it is, and what it says it did not do.
#include <gmock/gmock.h>

#include "harness/engine/fake_engine.h"
#include "harness/mail/understand.h"
#include "harness/reproduce/config.h"
#include "harness/reproduce/document.h"
#include "results/schema_check.h"

namespace ktrial::reproduce {
namespace {

using results::Kind;
using results::Outcome;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

mail::Understanding understood(const std::string& text) {
  mail::Reader reader;
  reader.begin("x.txt");
  reader.feed(text);
  return reader.finish();
}

// Experiments with one workload, "spin", that takes "fault".
Experiment designed(const mail::Understanding& report, const Lab& lab = {}) {
  static std::vector<spec::HintedWorkload> workloads = [] {
    std::vector<spec::HintedWorkload> out(1);
    out[0] = {.info = {.name = "spin", .stresses = {"spinning"}}, .touches = {"spin_for_ever"}};
    out[0].info.parameters = {{.name = "fault", .choices = {"none", "stall"}}};
    return out;
  }();
  Lab with = lab;
  with.workloads = workloads;
  Overrides overrides;
  overrides.kernel = "bzImage";
  return design(report, overrides, with);
}

results::TrialRecord trial_of(Outcome outcome) {
  results::TrialRecord out;
  out.verdict.outcome = outcome;
  if (outcome == Outcome::fail)
    out.verdict = {outcome,
                   "INFO: silent stall in spin_for_ever",
                   Kind::silent_stall,
                   "spin_for_ever",
                   "stall:spin_for_ever",
                   ""};
  out.duration_s = 60;
  return out;
}

Search search_of(const Experiment& experiment, Outcome outcome) {
  engine::FakeEngine engine([&](const run::Job&, engine::JobId) {
    results::RunRecord record = engine::fake_record("run", Outcome::pass);
    record.trials = {trial_of(outcome)};
    return engine::FakeEngine::Scripted{.seconds = 60, .record = record};
  });
  auto found =
      search(experiment, {}, engine, {.budget_s = 600, .measure = 1}, [](const std::string&) {});
  EXPECT_TRUE(found);
  return found.value_or(Search{});
}

// As `git bisect run ktrial reproduce MAIL --kernel .` takes it: bad, good, skip.
TEST(ExitStatusTest, IsWhatGitBisectRunUnderstands) {
  const auto report = understood("The guest hangs in spin_for_ever.\n");
  const auto experiment = designed(report);
  for (const auto& [outcome, status] :
       {std::pair(Outcome::fail, 1), {Outcome::pass, 0}, {Outcome::inconclusive, 125}}) {
    const Search found = search_of(experiment, outcome);
    EXPECT_EQ(exit_status({.report = report, .experiment = experiment, .search = &found}), status);
  }
}

TEST(ExitStatusTest, OfAFixIsWhetherItHelps) {
  const auto report = understood("The guest hangs in spin_for_ever.\n");
  const auto experiment = designed(report);
  const Search found = search_of(experiment, Outcome::fail);
  using enum FixEnd;
  for (const auto& [end, status] :
       {std::pair(fixed, 0), {better, 1}, {not_fixed, 1}, {not_failed, 125}, {not_known, 125}}) {
    const FixTrial fix{.end = end};
    const Story story{.report = report,
                      .experiment = experiment,
                      .search = &found,
                      .fix = &fix,
                      .fix_name = "fix.patch"};
    EXPECT_EQ(exit_status(story), status);
  }
  // It never failed: nothing was tested.
  const Search passed = search_of(experiment, Outcome::pass);
  const Story story{
      .report = report, .experiment = experiment, .search = &passed, .fix_name = "fix.patch"};
  EXPECT_EQ(exit_status(story), 125);
  EXPECT_THAT(result_text(story), HasSubstr("NOT TESTED: it did not fail without the fix"));
  EXPECT_THAT(result_text(story), Not(HasSubstr("Tested-by")));
}

TEST(LikelyTest, AReportWithoutAPlaceIsReproducedLikely) {
  const auto report =
      understood("Subject: the guest hangs\n\nNothing is printed; spin_for_ever runs.\n");
  const auto experiment = designed(report);
  const Search found = search_of(experiment, Outcome::fail);
  const Story story{.report = report, .experiment = experiment, .search = &found};
  EXPECT_TRUE(result_text(story).starts_with("LIKELY REPRODUCED  INFO: silent stall"))
      << result_text(story);
  EXPECT_THAT(result_text(story), HasSubstr("likely that"));
  EXPECT_THAT(mail_text(story), HasSubstr("I can most likely reproduce this"));
  EXPECT_EQ(exit_status(story), 1);
  results::expect_schema(story_json(story), "reproduce");
}

TEST(ConfigTest, DifferencesAreNamed) {
  constexpr char kConfig[] =
      "CONFIG_A=y\nCONFIG_B=m\n# CONFIG_C is not set\nCONFIG_HZ=250\nCONFIG_NAME=\"x\"\n";
  EXPECT_THAT(
      config_differences(kConfig, {"CONFIG_A=y", "CONFIG_A=m", "CONFIG_B=y", "CONFIG_C=n",
                                   "CONFIG_D=n", "CONFIG_HZ=250", "CONFIG_NAME=\"x\"", "@.config"}),
      ElementsAre());
  EXPECT_THAT(
      config_differences(kConfig, {"CONFIG_A=n", "CONFIG_C=y", "CONFIG_D=m", "CONFIG_HZ=1000"}),
      ElementsAre("it has CONFIG_A=y, not n", "it has no CONFIG_C=y", "it has no CONFIG_D=m",
                  "it has CONFIG_HZ=250, not 1000"));
}

TEST(ConfigTest, WhatTheChosenKernelLacksIsTold) {
  const auto report = understood("It hangs in spin_for_ever, with CONFIG_KASAN=y set.\n");
  const auto with = [&](std::optional<std::string> config) {
    return designed(report, {.config_of = [=](const std::string&) { return config; }});
  };
  EXPECT_THAT(with("CONFIG_X=y\n").kernel.differs, ElementsAre("it has no CONFIG_KASAN=y"));
  EXPECT_THAT(with("CONFIG_KASAN=y\n").kernel.differs, ElementsAre());
  EXPECT_THAT(with(std::nullopt).notes, Contains(HasSubstr("is not compared")));
}

TEST(CommandsTest, WhatIsNotRunIsTold) {
  const auto report = understood(
      "It hangs in spin_for_ever. To reproduce:\n\n"
      "    for i in 1 2; do ip netns add x$i; done\n");
  EXPECT_THAT(designed(report).notes,
              Contains(HasSubstr("-- sh -c 'for i in 1 2; do ip netns add x$i; done'")));
  const auto plain = understood("It hangs in spin_for_ever:\n\n    stress-ng --fork 4\n");
  EXPECT_THAT(designed(plain).notes, Contains(HasSubstr("-- stress-ng --fork 4")));
  // What a workload does for it is run.
  const auto known =
      understood("spin_for_ever hangs:\n\n    insmod ktrial_inject.ko fault=stall\n");
  EXPECT_THAT(designed(known).notes, Not(Contains(HasSubstr("not run here"))));
}

}  // namespace
}  // namespace ktrial::reproduce
