#include "harness/selftest/selftest.h"

#include <gmock/gmock.h>

#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "results/schema_check.h"

namespace ktrial::selftest {
namespace {

using results::Kind;
using results::Outcome;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

Fault fault(std::string_view name) { return choose_faults({std::string(name)})->front(); }

// A trial that says exactly what is expected of the fault.
Planted as_expected(const Fault& fault) {
  Planted planted;
  planted.record.verdict.outcome = fault.expected.outcome;
  if (!fault.expected.kinds.empty()) planted.record.verdict.kind = fault.expected.kinds.front();
  if (!fault.expected.culprits.empty())
    planted.record.verdict.culprit = fault.expected.culprits.front();
  planted.record.verdict.title = fault.expected.title;
  planted.console = fault.expected.console;
  planted.seconds = 1.5;
  return planted;
}
Result<Planted> perfect(const Fault& fault, const spec::TrialSpec&) { return as_expected(fault); }

TEST(FaultTableTest, EveryFaultIsNamedOnceAndExpectsSomething) {
  std::set<std::string_view> names;
  for (const Fault& fault : all_faults()) {
    EXPECT_TRUE(names.insert(fault.name).second) << fault.name;
    EXPECT_FALSE(fault.summary.empty()) << fault.name;
    EXPECT_EQ(fault.expected.kinds.empty(), fault.expected.outcome == Outcome::pass) << fault.name;
    EXPECT_EQ(judge(fault, as_expected(fault)).status, Status::detected) << fault.name;
  }
  EXPECT_EQ(names.size(), 26u);
}

TEST(FaultTableTest, OfAModulesFaultsTheCulpritsAreItsFunctions) {
  for (const Fault& fault : all_faults())
    for (const std::string_view culprit : fault.expected.culprits)
      EXPECT_TRUE(culprit.starts_with("ktrial_") == (fault.way == Way::module)) << fault.name;
}

TEST(FaultTableTest, AnUnknownNameIsAUsageErrorThatListsTheKnown) {
  const auto chosen = choose_faults({"soft_lockup", "lockup"});
  ASSERT_FALSE(chosen);
  EXPECT_EQ(chosen.error().kind, ErrorKind::usage);
  EXPECT_THAT(chosen.error().message, HasSubstr("lockup"));
  EXPECT_THAT(chosen.error().hint, HasSubstr("hard_lockup_all"));
}

TEST(FaultTableTest, TheSpecPlantsTheFaultAndTheUsersWordsComeLast) {
  spec::TrialSpec base;
  base.kernel = "host";
  base.append = "watchdog_thresh=7";
  const auto spec = trial_of(fault("soft_lockup"), base);
  EXPECT_EQ(spec.workload, "inject");
  EXPECT_EQ(spec.kernel, "host");
  EXPECT_EQ(spec.parameters.at("fault"), "soft_lockup");
  EXPECT_THAT(spec.append, ::testing::StartsWith("watchdog_thresh=2 "));
  EXPECT_THAT(spec.append, ::testing::EndsWith(" watchdog_thresh=7"));
  const auto init = trial_of(fault("init_death"), {});
  EXPECT_EQ(init.append, "rdinit=/workloads/inject ktrial_fault=init_death");
  EXPECT_TRUE(init.parameters.empty());
}

struct Wrong {
  const char* name;
  const char* planted;
  void (*spoil)(Planted&);
  Status status;
};
class JudgeTest : public testing::TestWithParam<Wrong> {};

TEST_P(JudgeTest, NothingButTheExpectedIsDetection) {
  Planted planted = as_expected(fault(GetParam().planted));
  GetParam().spoil(planted);
  const Row row = judge(fault(GetParam().planted), planted);
  EXPECT_EQ(row.status, GetParam().status);
  EXPECT_FALSE(row.note.empty());
}

INSTANTIATE_TEST_SUITE_P(
    Spoiled, JudgeTest,
    testing::Values(
        Wrong{"Pass", "oops", [](Planted& p) { p.record.verdict = {.outcome = Outcome::pass}; },
              Status::missed},
        Wrong{"Inconclusive", "oops",
              [](Planted& p) {
                p.record.verdict = {.outcome = Outcome::inconclusive, .kind = Kind::deadline};
              },
              Status::missed},
        Wrong{"OtherKind", "rcu_stall",
              [](Planted& p) { p.record.verdict.kind = Kind::soft_lockup; }, Status::missed},
        Wrong{"OtherCulprit", "soft_lockup",
              [](Planted& p) { p.record.verdict.culprit = "kthread"; }, Status::wrong_culprit},
        Wrong{"NoCulprit", "soft_lockup", [](Planted& p) { p.record.verdict.culprit = ""; },
              Status::wrong_culprit},
        Wrong{"OtherTitle", "init_death",
              [](Planted& p) { p.record.verdict.title = "kernel panic: x"; }, Status::missed},
        Wrong{"LostConsole", "console_flood", [](Planted& p) { p.console = "line 3999"; },
              Status::missed},
        Wrong{"FalseAlarm", "none",
              [](Planted& p) {
                p.record.verdict = {.outcome = Outcome::fail, .kind = Kind::warning};
              },
              Status::false_alarm},
        Wrong{"InconclusiveHealthy", "none",
              [](Planted& p) {
                p.record.verdict = {.outcome = Outcome::inconclusive, .kind = Kind::vm_died};
              },
              Status::false_alarm},
        Wrong{"BootThatShouldHang", "early_hang",
              [](Planted& p) { p.record.verdict = {.outcome = Outcome::pass}; }, Status::missed},
        Wrong{"GuestThatNeverCameUp", "oops",
              [](Planted& p) {
                p.begun = false;
                p.record.verdict = {
                    .outcome = Outcome::inconclusive, .kind = Kind::no_boot, .reason = "x"};
              },
              Status::skipped},
        Wrong{"KernelThatFailsBeforeItsTurn", "oops",
              [](Planted& p) {
                p.begun = false;
                p.record.verdict = {.outcome = Outcome::fail, .kind = Kind::panic};
              },
              Status::missed},
        Wrong{"StarvedHost", "soft_lockup",
              [](Planted& p) {
                p.record.verdict = {.outcome = Outcome::inconclusive,
                                    .kind = Kind::host_starved,
                                    .reason = "the host starved vCPU 1"};
              },
              Status::skipped},
        Wrong{"StarvedHostWhereNoVerdictIsExpected", "early_hang",
              [](Planted& p) {
                p.record.verdict = {.outcome = Outcome::inconclusive,
                                    .kind = Kind::host_starved,
                                    .reason = "the host starved vCPU 0"};
              },
              Status::skipped}),
    [](const auto& instance) { return std::string(instance.param.name); });

TEST(SelftestTest, AllDetectedIsAPass) {
  std::vector<std::string> begun;
  const auto report =
      run_selftest({.base = {},
                    .only = {},
                    .on_begin = [&](const Fault& f, int, int) { begun.emplace_back(f.name); }},
                   perfect);
  ASSERT_TRUE(report);
  EXPECT_EQ(report->outcome(), Outcome::pass);
  EXPECT_EQ(begun.size(), all_faults().size());
  EXPECT_EQ(report->count(Status::detected), static_cast<int>(all_faults().size()));
}

TEST(SelftestTest, OneMissedFaultFailsTheWhole) {
  for (const Fault& blind : all_faults()) {
    const auto report =
        run_selftest({.base = {}, .only = {}}, [&](const Fault& f, const auto& spec) {
          auto planted = perfect(f, spec);
          if (f.name == blind.name) {
            planted->record.verdict = {.outcome = Outcome::pass};
            planted->console = "";
            if (blind.expected.outcome == Outcome::pass)
              planted->record.verdict = {.outcome = Outcome::fail, .kind = Kind::warning};
          }
          return planted;
        });
    ASSERT_TRUE(report);
    EXPECT_EQ(report->outcome(), Outcome::fail) << blind.name;
    EXPECT_THAT(report_text(*report), HasSubstr("1 not")) << blind.name;
  }
}

Result<Planted> without_module(const Fault& fault, const spec::TrialSpec&) {
  Planted planted = as_expected(fault);
  planted.no_module = "no headers";
  if (fault.way == Way::module)
    planted.record.verdict = {
        .outcome = Outcome::inconclusive, .kind = Kind::workload_unfit, .reason = "x"};
  return planted;
}

TEST(SelftestTest, WithoutAModuleTheFirstTrialTellsAndTheRestIsSkipped) {
  std::map<Way, int> ran;
  const auto report = run_selftest({.base = {}, .only = {}}, [&](const Fault& f, const auto& spec) {
    ++ran[f.way];
    return without_module(f, spec);
  });
  ASSERT_TRUE(report);
  EXPECT_EQ(report->outcome(), Outcome::inconclusive);
  EXPECT_EQ(ran[Way::module], 1);
  EXPECT_EQ(ran[Way::workload], 5);
  EXPECT_EQ(report->count(Status::skipped), 19);
  for (const Row& row : report->rows) {
    const bool skipped = row.status == Status::skipped;
    EXPECT_EQ(row.note, skipped ? "no headers" : "");
  }
  EXPECT_THAT(report_text(*report), HasSubstr("19 skipped"));
  EXPECT_THAT(report_text(*report), HasSubstr("NOT TESTED: 18 of 26 faults"));
}

TEST(SelftestTest, AMissCountsMoreThanASkip) {
  const auto report = run_selftest({.base = {}, .only = {}}, [&](const Fault& f, const auto& spec) {
    auto planted = without_module(f, spec);
    if (f.name == "none") planted->record.verdict.outcome = Outcome::fail;
    return planted;
  });
  ASSERT_TRUE(report);
  EXPECT_EQ(report->outcome(), Outcome::fail);
}

TEST(SelftestTest, AnErrorOfOursEndsIt) {
  int ran = 0;
  const auto report = run_selftest({.base = {}, .only = {}},
                                   [&](const Fault&, const spec::TrialSpec&) -> Result<Planted> {
                                     ++ran;
                                     return fail(ErrorKind::interrupted, "interrupted");
                                   });
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().kind, ErrorKind::interrupted);
  EXPECT_EQ(ran, 1);
}

TEST(SelftestTest, RepeatGoesRoundTheChosenFaults) {
  std::vector<std::string> ran;
  const auto report = run_selftest({.base = {}, .only = {"oops", "warn"}, .repeat = 2},
                                   [&](const Fault& f, const auto& spec) {
                                     ran.emplace_back(f.name);
                                     return perfect(f, spec);
                                   });
  ASSERT_TRUE(report);
  EXPECT_THAT(ran, ElementsAre("warn", "oops", "warn", "oops"));
}

TEST(SelftestTest, WhatOfAGuestsMemoryCanBeReadIsTold) {
  const auto look = [](std::string tasks) {
    return run_selftest({.base = {}, .only = {"none", "warn"}},
                        [&](const Fault& f, const auto& spec) {
                          auto planted = perfect(f, spec);
                          planted->record.facts = {{"introspection.symbols", "yes"},
                                                   {"host.slowdown", "1"},
                                                   {"introspection.tasks", tasks}};
                          return planted;
                        })
        .value();
  };
  EXPECT_THAT(report_text(look("yes")), HasSubstr("\nintrospection: symbols yes, tasks yes\n"));
  const auto blind = look("no symbol init_task");
  EXPECT_THAT(report_text(blind), HasSubstr("\nintrospection: symbols yes, tasks NO\n"
                                            "  no tasks: no symbol init_task\n"));
  const auto document = nlohmann::json::parse(report_json(blind));
  EXPECT_EQ(document["introspection"]["symbols"], "yes");
  EXPECT_EQ(document["introspection"]["tasks"], "no symbol init_task");
}

TEST(SelftestTest, TheDocumentHoldsTheTable) {
  const auto report = run_selftest({.base = {}, .only = {"warn", "triple_fault"}},
                                   [](const Fault& f, const auto& spec) {
                                     auto planted = perfect(f, spec);
                                     planted->record.verdict.title = "WARNING in \xff";
                                     return planted;
                                   });
  ASSERT_TRUE(report);
  results::expect_schema(report_json(*report), "selftest");
  const auto document = nlohmann::json::parse(report_json(*report));
  EXPECT_EQ(document["outcome"], "pass");
  EXPECT_EQ(document["faults"].size(), 2u);
  EXPECT_EQ(document["faults"][0]["planted"], "warn");
  EXPECT_EQ(document["faults"][0]["culprit_right"], true);
  EXPECT_TRUE(document["faults"][1]["culprit_right"].is_null());
  EXPECT_EQ(document["faults"][0]["seconds"], 1.5);
}

}  // namespace
}  // namespace ktrial::selftest
