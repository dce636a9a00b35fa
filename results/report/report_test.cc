#include "results/report/report.h"

#include <gtest/gtest.h>

#include "results/report/batch.h"
#include "results/report/golden.h"
#include "results/short_outcomes.h"
#include "results/store/json.h"

namespace ktrial::results {
namespace {

TrialRecord reported(int index, Outcome outcome) {
  TrialRecord t;
  t.index = index;
  t.verdict.outcome = outcome;
  t.duration_s = 21.5 + index;
  t.boot_s = 2.25;
  t.accel = "tcg";
  t.channel = "vhost-user-vsock";
  t.vmm = "qemu";
  t.artifacts = "/var/lib/ktrial/runs/20260101-000000.000-abcd/trials/00" + std::to_string(index);
  t.facts = {{"kernel_release", "6.19.6+deb13-cloud-amd64"}};
  t.counters = {{"mmcid-vfork.rounds_per_minute", 40}, {"oops_count", 0}};
  t.started_at = TimePoint(std::chrono::seconds(1767225600 + 30 * index));
  t.verdict.reason = "every round was completed";
  if (outcome == Outcome::inconclusive)
    t.verdict.reason = "the host was starved: CPU pressure 87 %";
  if (outcome != Outcome::fail) return t;
  t.verdict.title = "BUG: soft lockup in smp_call_function_many_cond";
  t.verdict.kind = Kind::soft_lockup;
  t.verdict.culprit = "mm_get_cid";
  t.verdict.signature = make_signature(t.verdict.kind.name(), t.verdict.title, t.verdict.culprit);
  t.verdict.reason = "the kernel reported a soft lockup, CPU 2 stopped beating";
  t.subtests = {{"suite/good", "pass", "", {}}, {"suite/bad", "timeout", "45 seconds", 45.5}};
  t.incident = {{"vCPU 2: spinning with interrupts off in mm_get_cid, task mmcid-vfork/141",
                 "console line 400: INFO: rcu detected stall in corrupted"},
                {"vCPU 1 waits in smp_call_function_many_cond"},
                "Culprit: vCPU 2 in mm_get_cid\n\nvCPU 2: spinning\n      mm_get_cid+0x55/0x90\n"};
  t.trace = {
      "RAM",
      5674,
      1.102699,
      49.185967,
      {"CPU 1: 5 of 6 events"},
      {{0, 27.439431, "idle: switch to rcu_preempt/15", false, 21.746536, 27.439431, false, true},
       {2, 7.143958, "idle: switch to mmcid-vfork/154", true, 1.5, 3.25, true, false}},
      {{7.113418, 1, "mmcid-vfork/150", "mmcid-vfork/151", true, true},
       {7.161949, 3, "mmcid-vfork/149", "mmcid-vfork/156", false, true}},
      {{7.162522, 3, "mmcid-vfork/149", "mmcid-vfork/156", false}}};
  t.findings = {
      {"INFO: rcu detected stall in corrupted", Kind::rcu_stall, "", std::nullopt, "", 400, 402,
       true, "rcu: INFO\n"},
      {t.verdict.title, t.verdict.kind, t.verdict.culprit, 1, "mmcid-vfork/87", 410, 466, false,
       "[   27.871234] watchdog: BUG: soft lockup - CPU#1 stuck for 12s! "
       "[mmcid-vfork:87]\r\n"
       "[   27.871240] hostile \x1b[2J\x1b]0;owned\x07 bytes \xff\xfe \xe2\x80\xae end\n"
       "[   27.871250] RIP: 0010:smp_call_function_many_cond+0x123/0x4f0\n"}};
  return t;
}

RunRecord run_of(std::vector<Outcome> outcomes) {
  RunRecord run;
  run.id = "20260101-000000.000-abcd";
  run.state = RunState::finished;
  run.directory = "/var/lib/ktrial/runs/20260101-000000.000-abcd";
  run.working_dir = "/home/user/my kernels";
  run.argv = {"ktrial",   "run",  "--kernel", "deb:linux-image-6.19.6+deb13-cloud-amd64",
              "--append", "a b'c"};
  run.started_at = TimePoint(std::chrono::seconds(1767225600));
  run.finished_at = run.started_at + std::chrono::seconds(125);
  run.spec.kernel = "deb:linux-image-6.19.6+deb13-cloud-amd64";
  run.spec.workload = "mmcid-vfork";
  run.spec.parameters = {{"spinners", "6"}};
  run.spec.cpus = 4;
  run.spec.memory_mib = 1024;
  run.spec.repeat = static_cast<int>(outcomes.size());
  run.spec.duration_s = 20;
  for (std::size_t i = 0; i < outcomes.size(); ++i)
    run.trials.push_back(reported(static_cast<int>(i), outcomes[i]));
  run.verdict = overall(run.trials, run.spec.repeat);
  return run;
}

TEST(ReportTest, Pass) { expect_golden(report_text(run_of({P})), "pass.txt"); }
TEST(ReportTest, Fail) { expect_golden(report_text(run_of({P, F, F, I})), "fail.txt"); }
TEST(ReportTest, FailInColour) {
  expect_golden(report_text(run_of({P, F, F, I}), {.color = true}), "fail-colour.txt");
}
TEST(ReportTest, Inconclusive) {
  RunRecord run = run_of({P, I});
  run.state = RunState::interrupted;
  expect_golden(report_text(run), "inconclusive.txt");
}
TEST(ReportTest, Json) { expect_golden(report_json(run_of({P, F})), "fail.json"); }

TEST(ReportTest, JsonKeepsTheContract) {
  auto json = parse_json(report_json(run_of({F})));
  ASSERT_TRUE(json);
  for (const char* key : {"outcome", "title", "kind", "culprit", "signature", "reason"}) {
    EXPECT_TRUE((*json)[key].is_string()) << key;
    EXPECT_TRUE((*json)["trials"][0][key].is_string()) << key;
  }
  for (const char* key : {"duration_s", "boot_s"})
    EXPECT_TRUE((*json)["trials"][0][key].is_number()) << key;
  for (const char* key : {"accel", "channel", "vmm", "artifacts"})
    EXPECT_TRUE((*json)["trials"][0][key].is_string()) << key;
  EXPECT_EQ((*json)["outcome"], "fail");
}

TEST(ReportTest, AStallWithoutAnAutopsySaysWhy) {
  RunRecord run = run_of({F});
  run.trials[0].incident = {.chain = {"CPU 0 beat last 20 s ago"},
                            .no_autopsy = "symbols: no \x1b kallsyms_names"};
  EXPECT_NE(report_text(run).find("no autopsy: symbols: no \\x1b kallsyms_names\n"),
            std::string::npos)
      << report_text(run);
  const auto json = parse_json(report_json(run));
  ASSERT_TRUE(json);
  EXPECT_EQ((*json)["trials"][0]["incident"]["no_autopsy"], run.trials[0].incident.no_autopsy);
}

TEST(ReportTest, ManyTrialsShowTheFailuresFirst) {
  std::vector<Outcome> outcomes(200, P);
  outcomes[150] = F;
  const std::string text = report_text(run_of(outcomes));
  EXPECT_NE(text.find("  150  fail"), std::string::npos) << text;
  EXPECT_NE(text.find("... and 180 more"), std::string::npos);
}

TEST(ReportTest, NoGuestByteReachesTheTerminalRaw) {
  std::string nasty;
  for (int i = 0; i < 256; ++i) nasty += static_cast<char>(i);
  RunRecord run = run_of({F});
  run.verdict.title = run.verdict.culprit = run.verdict.reason = run.trials[0].verdict.title =
      nasty;
  run.trials[0].findings[1].excerpt = run.trials[0].findings[1].task = nasty;
  run.trials[0].facts = {{"kernel_release", nasty}};
  for (char c : report_text(run))
    EXPECT_TRUE(c == '\n' || c == '\t' || static_cast<unsigned char>(c) >= 0x20) << int(c);
  EXPECT_TRUE(parse_json(report_json(run)));
}

TEST(ReportTest, EvidenceIsBounded) {
  RunRecord run = run_of({F});
  run.trials[0].findings[1].excerpt.clear();
  for (int i = 0; i < 10000; ++i)
    run.trials[0].findings[1].excerpt += std::string(5000, 'x') + "\n";
  EXPECT_LT(report_text(run, {.excerpt_lines = 10}).size(), 5000u);
}

TEST(PrintableTest, KeepsTextAndEscapesTheRest) {
  EXPECT_EQ(printable("plain\ttext äöü €"), "plain\ttext äöü €");
  EXPECT_EQ(printable("\x1b[31m"), "\\x1b[31m");
  EXPECT_EQ(printable("\xc0\xaf"), "\\xc0\\xaf") << "overlong";
  EXPECT_EQ(printable("\xed\xa0\x80"), "\\xed\\xa0\\x80") << "a surrogate";
  EXPECT_EQ(printable("\xe2\x82"), "\\xe2\\x82") << "truncated";
  EXPECT_EQ(printable("\xc2\x9b"), "\\xc2\\x9b") << "a C1 control";
}

TEST(ShellTest, QuotesWhatNeedsIt) {
  EXPECT_EQ(shell_quoted({"a", "b c", "d'e", "", "$x", "k=v"}), "a 'b c' 'd'\\''e' '' '$x' k=v");
}

TEST(ColourTest, ObeysTheConventions) {
  EXPECT_TRUE(wants_color(true, nullptr, "xterm"));
  EXPECT_TRUE(wants_color(true, "", "xterm"));
  EXPECT_FALSE(wants_color(true, "1", "xterm"));
  EXPECT_FALSE(wants_color(false, nullptr, "xterm"));
  EXPECT_FALSE(wants_color(true, nullptr, "dumb"));
  EXPECT_FALSE(wants_color(true, nullptr, nullptr));
}

TEST(AnalyzeTest, TextAndJson) {
  const std::vector<FileFindings> files = {
      {"clean.log", {}},
      {"bad\xff.log",
       reported(0, F).findings,
       {{"not enough memory", RecordedKind::parse("environment"), 12}}},
      {"odd.log", {}, {}, true},
      {"again.log", reported(0, F).findings}};
  expect_golden(analyze_text(files), "analyze.txt");
  expect_golden(analyze_json(files, true), "analyze.json");
  expect_golden(summary_text(files), "summary.txt");
  const auto none = parse_json(analyze_json({}));
  ASSERT_TRUE(none);
  EXPECT_EQ((*none)["files"], Json::array());
  EXPECT_EQ((*none)["schema"], kSchema);
}

TEST(AnalyzeTest, SubtestsOfASavedLog) {
  FileFindings file{"a.ktap", {}};
  file.subtests = {{"s/one", "pass", "", {}}, {"s/\xff", "fail", "exit=1", {}}};
  file.subtests_missing = 2;
  EXPECT_EQ(analyze_text({file}),
            "a.ktap: no report of the kernel\n  2 subtests: 1 fail, 1 pass, 2 missing\n"
            "    fail  s/\\xff: exit=1\n");
  const auto json = parse_json(analyze_json({file}));
  ASSERT_TRUE(json);
  EXPECT_EQ((*json)["files"][0]["subtests"].size(), 2u);
  EXPECT_EQ((*json)["files"][0]["subtests_missing"], 2);
  EXPECT_EQ(analyze_json({{"plain.log", {}}}).find("subtests"), std::string::npos);
  EXPECT_NE(analyze_junit({file}).find("exit=1"), std::string::npos);
}

TEST(ListTest, OneLineARun) {
  const std::vector<RunSummary> runs = {
      {"20260101-000000.000-abcd", RunState::finished, F, "BUG: soft lockup in x", "s", "host",
       "smoke", "2026-01-01T00:00:00.000Z", 1, 2, 0},
      {"20260101-000000.000-abcc", RunState::interrupted, I, "", "",
       "git:a-very-long-reference-indeed-it-is", "smoke", "2026-01-01T00:00:00.001Z", 0, 0, 0}};
  expect_golden(list_text(runs), "list.txt");
  expect_golden(list_json(runs), "list.json");
  EXPECT_EQ(list_text({}), "no runs yet\n");
}

}  // namespace
}  // namespace ktrial::results
