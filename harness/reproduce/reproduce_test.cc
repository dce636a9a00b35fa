// What decides: which workload and kernel, what counts as the same failure, when it is enough.
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <random>

#include "harness/base/file.h"
#include "harness/engine/fake_engine.h"
#include "harness/mail/understand.h"
#include "harness/reproduce/compile.h"
#include "harness/reproduce/document.h"
#include "results/schema_check.h"

namespace ktrial::reproduce {
namespace {

using results::Kind;
using results::Outcome;

mail::Understanding read(const std::string& text) {
  mail::Reader reader;
  reader.begin("x.txt");
  reader.feed(text);
  return reader.finish();
}

constexpr char kStall[] =
    "6.19.6 is bad, 6.18.15 is good. The guest has 4 CPUs. Threads vfork.\n\n"
    "[   22.209124] watchdog: BUG: soft lockup - CPU#1 stuck for 11s! [joblaunch:181]\n"
    "[   22.209669] CPU: 1 UID: 0 PID: 181 Comm: joblaunch Not tainted 6.19.6+deb13-cloud-amd64 "
    "#1\n"
    "[   22.210289] RIP: 0010:mm_get_cid+0x55/0xc0\n[   22.213405] Call Trace:\n[   22.213611]  "
    "<TASK>\n"
    "[   22.213948]  __schedule+0xf40/0xfa0\n[   22.214305]  schedule+0x27/0xd0\n[   22.218424]  "
    "</TASK>\n";

std::vector<spec::HintedWorkload> workloads() {
  std::vector<spec::HintedWorkload> out(4);
  out[0] = {.info = {.name = "mmcid-vfork", .stresses = {"sched/mm_cid", "vfork"}},
            .touches = {"mm_get_cid", "*mm_cid*"},
            .races = {{"extra", "8"}}};
  out[0].info.min_cpus = 3;
  out[0].info.parameters = {
      {.name = "extra", .type = spec::ParameterType::integer, .default_value = "2"}};
  out[1] = {.info = {.name = "vfork-storm", .stresses = {"vfork", "sched/mm_cid"}}};
  out[2] = {.info = {.name = "vsock-listen", .stresses = {"vsock", "vfork", "sched/mm_cid"}},
            .touches = {"*vsock*"}};
  out[3] = {.info = {.name = "inject", .stresses = {"the detectors"}}, .touches = {"ktrial_*"}};
  out[3].info.parameters = {{.name = "fault", .choices = {"none", "soft_lockup"}}};
  return out;
}

std::vector<kernel::PackagedKernel> packages() {
  std::vector<kernel::PackagedKernel> out;
  for (const auto& [package, version] :
       {std::pair("linux-image-6.1.0-56-cloud-amd64", "6.1.192-2"),
        std::pair("linux-image-6.18.15+deb13-cloud-amd64", "6.18.15-1~bpo13+1"),
        std::pair("linux-binary-6.19.6+deb13-cloud-amd64", "6.19.6-2~bpo13+1"),
        std::pair("linux-binary-6.19.10+deb13-cloud-amd64", "6.19.10-1~bpo13+1")})
    out.push_back({.package = package, .version = version});
  return out;
}

Experiment design_of(const mail::Understanding& report, const Overrides& overrides = {}) {
  static const auto kWorkloads = workloads();
  static const auto kPackages = packages();
  return design(
      report, overrides,
      {.workloads = kWorkloads, .packages = kPackages, .fragments = {"kasan"}, .cores = 2});
}

results::TrialRecord failure(Kind kind, const std::string& title, const std::string& culprit) {
  results::TrialRecord out;
  out.verdict = {Outcome::fail,
                 title,
                 kind,
                 culprit,
                 results::make_signature(results::name(kind), title, culprit),
                 ""};
  out.duration_s = 60;
  return out;
}
results::TrialRecord silent() {
  return failure(Kind::silent_stall, "INFO: silent stall in mm_get_cid", "mm_get_cid");
}
results::TrialRecord passed() {
  results::TrialRecord out;
  out.verdict.outcome = Outcome::pass;
  out.duration_s = 10;
  return out;
}

// Trials by a function of their job.
engine::FakeEngine engine_of(std::function<results::TrialRecord(const run::Job&, int)> trial) {
  return engine::FakeEngine([trial = std::move(trial), n = 0](const run::Job& job,
                                                              engine::JobId) mutable {
    results::RunRecord record = engine::fake_record("run", Outcome::pass);
    record.trials = {trial(job, n++)};
    return engine::FakeEngine::Scripted{.seconds = record.trials[0].duration_s, .record = record};
  });
}
const Tell kQuiet = [](const std::string&) {};

TEST(SuspectsTest, WhatStacksAndTextSayRanks) {
  const auto all = workloads();
  EXPECT_EQ(rank_workloads(read(kStall), all).front().workload, "mmcid-vfork");
  EXPECT_EQ(
      rank_workloads(read("insmod ktrial_inject.ko fault=soft_lockup\n"), all).front().workload,
      "inject");
  const auto vsock = rank_workloads(read("Listening on vsock stalls.\n"), all);
  EXPECT_EQ(vsock.front().workload, "vsock-listen");
  ASSERT_FALSE(vsock.front().reasons.empty());
  EXPECT_NE(vsock.front().reasons.front().find("line 1"), std::string::npos);
  const auto acquitted = rank_workloads(read("I blamed vsock, but replacing it changes nothing; "
                                             "what matters is vfork. CONFIG_SCHED_MM_CID=y.\n"),
                                        all);
  EXPECT_EQ(acquitted.front().workload, "mmcid-vfork");
  EXPECT_EQ(rank_workloads(read("nothing\n"), all).front().score, 0);
}

TEST(KernelsTest, ReleasesAreRead) {
  EXPECT_EQ(parse_release("v6.13-rc1").text(), "6.13-rc1");
  EXPECT_EQ(parse_release("6.19.6+deb13-cloud-amd64").text(), "6.19.6");
  EXPECT_FALSE(parse_release("next-20250814").known());
  EXPECT_FALSE(parse_release("").known());
  EXPECT_LT(compare(parse_release("6.13-rc7"), parse_release("6.13")), 0);
  EXPECT_EQ(release_of(packages()[0]).text(), "6.1.192");
  EXPECT_EQ(mainline_at("2026-03-10"), "6.19");
  EXPECT_EQ(mainline_at("2026-02-07"), "6.18");
  EXPECT_EQ(mainline_at(""), "");
}

TEST(KernelsTest, TheNearestIsChosenAndSaysHowItDiffers) {
  struct Row {
    const char* text;
    const char* package;
    bool differs;
  };
  const Row kTable[] = {
      {"kernel: 6.19.6+deb13-cloud-amd64\n", "linux-binary-6.19.6+deb13-cloud-amd64", false},
      {"kernel: 6.19.7\n", "linux-binary-6.19.6+deb13-cloud-amd64", true},
      {"v6.19.8 is bad. v6.19.10 is good.\n", "linux-binary-6.19.6+deb13-cloud-amd64", true},
      {"kernel: 6.17.1\n", "linux-image-6.18.15+deb13-cloud-amd64", true},
      {"Date: Tue, 10 Mar 2026 13:28:32 +0100\n", "linux-binary-6.19.6+deb13-cloud-amd64", true}};
  for (const Row& row : kTable) {
    const auto choice = choose_kernel(read(row.text), packages());
    EXPECT_TRUE(choice.reference.starts_with(std::string("deb:") + row.package))
        << row.text << choice.reference;
    EXPECT_EQ(!choice.differs.empty(), row.differs) << row.text;
  }
  EXPECT_EQ(choose_kernel(read("no kernel\n"), packages()).reference, "");
}

TEST(MatchTest, TheSameFailureInItsGuises) {
  const Expected expected = expected_of(read(kStall));
  ASSERT_EQ(expected.failures.size(), 1u);
  EXPECT_EQ(match(expected, silent()).same, Same::yes);
  EXPECT_EQ(match(expected,
                  failure(Kind::rcu_stall, "INFO: rcu detected stall in x", "mm_get_cid.isra.0"))
                .same,
            Same::yes);
  EXPECT_EQ(match(expected, failure(Kind::soft_lockup, "BUG: soft lockup in other", "other")).same,
            Same::no);
  EXPECT_EQ(match(expected, failure(Kind::warning, "WARNING in mm_get_cid", "mm_get_cid")).same,
            Same::no);
  auto by_stack = failure(Kind::soft_lockup, "BUG: soft lockup in x", "x");
  by_stack.findings.push_back(
      {.title = "BUG: soft lockup in x",
       .kind = Kind::soft_lockup,
       .culprit = "x",
       .excerpt = "RIP: 0010:mm_get_cid+0x1/0x2\n __schedule+0x1/0x2\n schedule+0x1/0x2\n"});
  EXPECT_EQ(match(expected, by_stack).same, Same::yes);
  EXPECT_NE(match(expected, by_stack).why.find("frames are shared"), std::string::npos);
}

TEST(MatchTest, ProseOnlyIsLikely) {
  const auto report = read("Subject: the guest hangs\n\nNothing is printed.\n");
  const Expected expected = expected_of(report);
  EXPECT_EQ(match(expected, silent()).same, Same::likely);
  EXPECT_EQ(match(expected, failure(Kind::kasan, "KASAN: x in y", "y")).same, Same::no);
  const Expected nothing = expected_of(read("hello\n"));
  EXPECT_FALSE(nothing.known());
}

TEST(DesignTest, SettingsComeFromReportAndFlags) {
  const auto design = design_of(read(kStall));
  ASSERT_GE(design.settings.size(), 3u);
  EXPECT_EQ(design.settings[0].spec.workload, "mmcid-vfork");
  EXPECT_EQ(design.settings[0].spec.cpus, 4);
  EXPECT_TRUE(design.settings[0].spec.kernel.starts_with("deb:linux-binary-6.19.6"));
  EXPECT_EQ(design.ends.good, "6.18.15");
  Overrides overrides{.kernel = "."};
  overrides.spec.command = {"./x", "1"};
  const auto mine = design_of(read(kStall), overrides);
  for (const Setting& setting : mine.settings) {
    EXPECT_EQ(setting.spec.command, overrides.spec.command);
    EXPECT_EQ(setting.spec.kernel, ".");
  }
  const auto inject = design_of(read("    insmod ktrial_inject.ko fault=soft_lockup cpu=1\n"));
  ASSERT_FALSE(inject.settings.empty());
  EXPECT_EQ(inject.settings[0].spec.parameters.at("fault"), "soft_lockup");
  EXPECT_FALSE(inject.unknown.empty());
}

TEST(DesignTest, NothingOfAReportReachesAShellOrAHost) {
  const auto report = read(
      "Booted with: root=/dev/x init=/bin/sh nohz_full=1-3;reboot isolcpus=$(id) "
      "transparent_hugepage=never\n"
      "\n  ./repro $(touch x)\n\n#include <stdio.h>\nint main(void) { return 0; }\n");
  const auto program = program_of(report);
  ASSERT_TRUE(program);
  EXPECT_TRUE(program->arguments.empty());
  const auto design = design_of(
      read("Booted with: root=/dev/x nohz_full=1-3 isolcpus=$(id) init=/bin/sh\nvfork\n"));
  ASSERT_FALSE(design.settings.empty());
  EXPECT_EQ(design.settings[0].spec.append, "nohz_full=1-3");
}

TEST(SearchTest, StopsWhenSeenAndMeasures) {
  const auto design = design_of(read(kStall));
  auto engine =
      engine_of([](const run::Job&, int n) { return n == 0 || n % 2 == 1 ? passed() : silent(); });
  const auto found = search(design, {}, engine, {.budget_s = 10000, .measure = 6}, kQuiet);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->end, End::reproduced);
  EXPECT_EQ(found->measured.trials, 6);
  EXPECT_EQ(found->measured.fails, 3);
  EXPECT_FALSE(found->cut);
  EXPECT_EQ(found->interval().low, stats::exact_interval({3, 6}, 0.95).low);
}

TEST(SearchTest, SpreadsOverSettingsAndKeepsToItsBudget) {
  const auto design = design_of(read(kStall));
  auto engine = engine_of([](const run::Job&, int) { return passed(); });
  const auto found = search(design, {}, engine, {.budget_s = 300}, kQuiet);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->end, End::not_seen);
  EXPECT_EQ(found->trials.size(), 30u);
  std::size_t tried = 0;
  for (std::size_t i = 0; i < design.settings.size(); ++i) tried += found->tally(i).trials > 0;
  EXPECT_EQ(tried, design.settings.size());
}

TEST(SearchTest, FindsTheSettingThatShowsIt) {
  const auto design = design_of(read(kStall));
  auto engine = engine_of([](const run::Job& job, int) {
    return job.spec.parameters.contains("extra") ? silent() : passed();
  });
  const auto found = search(design, {}, engine, {.budget_s = 3000, .measure = 2}, kQuiet);
  ASSERT_TRUE(found && found->setting);
  EXPECT_EQ(design.settings[*found->setting].what, "extra=8");
}

TEST(SearchTest, AnotherFailureIsAnother) {
  const auto design = design_of(read(kStall));
  auto engine = engine_of(
      [](const run::Job&, int) { return failure(Kind::warning, "WARNING in foo", "foo"); });
  const auto found = search(design, {}, engine, {.budget_s = 300}, kQuiet);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->end, End::inconclusive);
  EXPECT_EQ(found->why, "every trial failed otherwise");
}

TEST(SearchTest, WhatCannotBeJudgedIsGivenUp) {
  const auto design = design_of(read(kStall));
  auto engine =
      engine_of([](const run::Job&, int) { return results::TrialRecord{.duration_s = 1}; });
  const auto found = search(design, {}, engine, {.budget_s = 1e6}, kQuiet);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->end, End::inconclusive);
  EXPECT_EQ(found->trials.size(), 3 * design.settings.size());
}

TEST(SearchTest, AnInterruptionIsAnError) {
  const auto design = design_of(read(kStall));
  engine::FakeEngine engine([](const run::Job&, engine::JobId) {
    return engine::FakeEngine::Scripted{.how = engine::Cancelled{}};
  });
  const auto found = search(design, {}, engine, {}, kQuiet);
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().kind, ErrorKind::interrupted);
}

// "95 %" of rates that a search prints hold the true one.
TEST(SearchTest, ItsIntervalsCover) {
  const auto design = design_of(read(kStall));
  for (const double rate : {0.1, 0.5, 0.9}) {
    int held = 0, seen = 0;
    std::mt19937_64 random(7);
    for (int i = 0; i < 400; ++i) {
      auto engine = engine_of([&](const run::Job&, int) {
        return static_cast<double>(random() >> 11) * 0x1p-53 < rate ? silent() : passed();
      });
      const auto found = search(design, {}, engine, {.budget_s = 1500, .measure = 8}, kQuiet);
      ASSERT_TRUE(found);
      if (found->end != End::reproduced) continue;
      ++seen;
      held += found->interval().contains(rate);
    }
    EXPECT_GE(held, seen * 0.93) << rate;
  }
}

FixTrial fix_of(double without, double with, double budget = 1e6) {
  std::mt19937_64 random(3);
  auto engine = engine_of([&](const run::Job& job, int) {
    const double rate = job.spec.kernel == "old" ? without : with;
    return static_cast<double>(random() >> 11) * 0x1p-53 < rate ? silent() : passed();
  });
  const auto out = try_fix({}, "old", "new", expected_of(read(kStall)), {}, engine,
                           {.budget_s = budget}, kQuiet);
  EXPECT_TRUE(out);
  return out.value_or(FixTrial{});
}

TEST(FixTest, KnowsWhatHelps) {
  EXPECT_EQ(fix_of(1, 0).end, FixEnd::fixed);
  EXPECT_EQ(fix_of(0.3, 0).end, FixEnd::fixed);
  EXPECT_EQ(fix_of(1, 1).end, FixEnd::not_fixed);  // no pair tells them apart
  EXPECT_EQ(fix_of(0.5, 0.5).end, FixEnd::not_fixed);
  EXPECT_EQ(fix_of(0, 0).end, FixEnd::not_failed);
  EXPECT_EQ(fix_of(1, 0, 100).end, FixEnd::not_known);
}

TEST(FixTest, RarerIsNotGone) {
  int with = 0;
  auto engine = engine_of([&](const run::Job& job, int) {
    return job.spec.kernel == "old" || with++ == 0 ? silent() : passed();
  });
  const auto out =
      try_fix({}, "old", "new", expected_of(read(kStall)), {}, engine, {.budget_s = 1e6}, kQuiet);
  ASSERT_TRUE(out);
  EXPECT_EQ(out->end, FixEnd::better);
  EXPECT_EQ(out->with.fails, 1);
}

Story story_of(const mail::Understanding& report, const Experiment& experiment) {
  return {.report = report, .experiment = experiment, .accel = "tcg"};
}

TEST(DocumentTest, TellsAllOfAResult) {
  const auto report = read(kStall);
  const auto design = design_of(report);
  auto engine = engine_of([](const run::Job&, int) { return silent(); });
  const auto found = search(design, {}, engine, {.budget_s = 10000}, kQuiet);
  ASSERT_TRUE(found);
  Story story = story_of(report, design);
  results::expect_schema(story_json(story), "reproduce");
  EXPECT_NE(plan_text(story).find("mm_get_cid: the culprit"), std::string::npos);
  story.search = &*found;
  const std::string text = result_text(story);
  for (const char* part :
       {"REPRODUCED  INFO: silent stall in mm_get_cid", "in 5 of 5 trials (95 %: 48 % to 100 %)",
        ("ktrial bisect --packages 'linux-image-*-cloud-amd64' --good 6.18.15 --bad 6.19.6 "
         "--workload mmcid-vfork"),
        "--until-fail", "I can reproduce this."})
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
  EXPECT_EQ(text.find("Tested-by"), std::string::npos);
  FixTrial fix{
      .end = FixEnd::fixed, .known = stats::Known::better, .without = {6, 6}, .with = {0, 6}};
  story.fix = &fix;
  story.fix_name = "fix.patch";
  EXPECT_NE(mail_text(story).find("Tested-by"), std::string::npos);
  EXPECT_NE(mail_text(story).find("6 of 6 trials failed"), std::string::npos);
  results::expect_schema(story_json(story), "reproduce");
  fix = {.end = FixEnd::not_failed, .without = {0, 6}, .with = {0, 6}};
  EXPECT_EQ(mail_text(story).find("Tested-by"), std::string::npos);
}

TEST(DocumentTest, ARateBoundWhereItWasNotSeen) {
  const auto report = read(kStall);
  const auto design = design_of(report);
  auto engine = engine_of([](const run::Job&, int) { return passed(); });
  const auto found = search(design, {}, engine, {.budget_s = 4000}, kQuiet);
  Story story = story_of(report, design);
  story.search = &*found;
  EXPECT_NE(result_text(story).find("not in 400 trials: its rate is below 0.75 % (95 %)"),
            std::string::npos)
      << result_text(story);
  results::expect_schema(story_json(story), "reproduce");
}

// Mails have C of any age, of which gcc 14 refuses by default what was a warning before.
TEST(CompileTest, TakesWhatOlderCompilersTook) {
  const auto dir = TempDir::create();
  const auto program =
      compile({"inline", "main() { int *p = 5; printf(\"%d\", p); return 0; }\n"}, dir->path(), {});
  if (!program && program.error().kind == ErrorKind::environment)
    GTEST_SKIP() << program.error().message;
  EXPECT_TRUE(program) << program.error().message;
}

}  // namespace
}  // namespace ktrial::reproduce
