// The documents for other programs: as they look, and what their own readers say of them.
#include <gmock/gmock.h>

#include <pugixml.hpp>
#include <set>

#include "harness/base/command.h"
#include "harness/base/file.h"
#include "harness/base/text.h"
#include "results/report/batch.h"
#include "results/report/fake_campaign.h"
#include "results/report/fake_reader.h"
#include "results/report/golden.h"
#include "results/report/kcidb.h"
#include "results/report/letter.h"
#include "results/report/mail.h"
#include "results/schema_check.h"
#include "results/short_outcomes.h"
#include "results/store/json.h"

namespace ktrial::results {
namespace {
using ::testing::HasSubstr;

BatchRecord batch() {
  BatchRecord out = batch_of({fake_run("20261129-013000.000-aaaa", {P, F, I, F})});
  out.parts.push_back({"kernel=c cpus=2", std::nullopt, "no package named c in any suite"});
  return out;
}
FakeShape small() {
  return {.kernels = 2, .workloads = 2, .cpu_counts = 1, .trials = 8, .nights = 3};
}

// Schemas and tools that are not the project's: a folder named by `variable`, else the first of
// `places` that there is.
std::string foreign(const char* variable, const std::vector<std::string>& places) {
  if (const char* named = std::getenv(variable)) return named;
  for (const std::string& place : places)
    if (std::filesystem::exists(place)) return place;
  return {};
}
std::string schemas() {
  return foreign("KTRIAL_SCHEMAS", {KTRIAL_SOURCE_DIR "/../shared/schemas"});
}

class Put {
 public:
  explicit Put(const std::string& text) {
    EXPECT_TRUE(dir_ && write_file_atomically(path(), text));
  }
  std::string path() const { return (dir_->path() / "document").string(); }

 private:
  Result<TempDir> dir_ = TempDir::create();
};

// Of `command` with the documents' files behind it.
Result<CommandOutput> read_by(std::vector<std::string> command,
                              const std::vector<std::string>& documents) {
  std::vector<std::unique_ptr<Put>> files;
  for (const std::string& text : documents) {
    files.push_back(std::make_unique<Put>(text));
    command.push_back(files.back()->path());
  }
  return run_command(command);
}

TEST(FormatsTest, JUnitOfRuns) { expect_golden(batch_junit(batch()), "runs.junit.xml"); }
TEST(FormatsTest, KtapOfRuns) { expect_golden(batch_ktap(batch()), "runs.ktap"); }
TEST(FormatsTest, KcidbOfRuns) { expect_golden(batch_kcidb(batch()), "runs.kcidb.json"); }
TEST(FormatsTest, MailOfARun) {
  expect_golden(batch_mail(batch(), {.rate = RateInterval{0.09, 0.99}}), "run.mail");
}
TEST(FormatsTest, JUnitOfLogs) {
  const std::vector<FileFindings> files = {{"clean.log", {}},
                                           {"bad.log", fake_run("x", {F}).trials[0].findings},
                                           {"odd.log", {}, {}, true}};
  expect_golden(analyze_junit(files), "analyze.junit.xml");
  EXPECT_EQ(problem_of_junit(analyze_junit(files)), "");
}
TEST(FormatsTest, JUnitOfACampaign) {
  const CampaignRecord night = fake_campaign(small());
  expect_golden(campaign_junit(night, fake_evidence(night)), "campaign.junit.xml");
}
TEST(FormatsTest, KtapOfACampaign) {
  const CampaignRecord night = fake_campaign(small());
  expect_golden(campaign_ktap(night, fake_evidence(night)), "campaign.ktap");
}
TEST(FormatsTest, KcidbOfACampaign) {
  const CampaignRecord night = fake_campaign(small());
  expect_golden(campaign_kcidb(night, fake_evidence(night), {.origin = "mylab"}),
                "campaign.kcidb.json");
}
TEST(FormatsTest, MailOfACampaign) {
  const CampaignRecord night = fake_campaign();
  expect_golden(campaign_mail(night, fake_evidence(night)), "campaign.mail");
}
TEST(FormatsTest, TextOfACampaign) {
  expect_golden(campaign_text(fake_campaign()), "campaign.txt");
}
TEST(FormatsTest, JsonOfACampaign) {
  expect_golden(campaign_json(fake_campaign(small())), "campaign.json");
}

TEST(FormatsTest, JUnitKeepsToTheSchemaOfItsReaders) {
  if (schemas().empty()) GTEST_SKIP() << "set KTRIAL_SCHEMAS to a folder with junit-10.xsd";
  const CampaignRecord night = fake_campaign();
  std::vector<std::string> documents = {batch_junit(batch()),
                                        campaign_junit(night, fake_evidence(night))};
  for (const std::string& text : hostile_strings())
    documents.push_back(batch_junit(batch_of({with_strings(fake_run("r", {P, F, I}), text)})));
  const auto checked =
      read_by({"xmllint", "--noout", "--huge", "--schema", schemas() + "/junit-10.xsd"}, documents);
  if (!checked) GTEST_SKIP() << "xmllint (libxml2-utils) is not installed";
  EXPECT_TRUE(checked->ok()) << checked->err.substr(0, 2000);
}

// Kernel, harness and test are kept apart: who counts failures counts the kernel's alone.
TEST(FormatsTest, JUnitCallsAnErrorWhatTheKernelDidNotDo) {
  pugi::xml_document xml;
  ASSERT_TRUE(xml.load_string(batch_junit(batch()).c_str()));
  const auto results = [&](const char* element) {
    std::set<std::string> out;
    for (const auto& node : xml.select_nodes((std::string("//") + element + "/..").c_str()))
      out.insert(node.node().attribute("name").value());
    return out;
  };
  EXPECT_EQ(results("failure"),
            (std::set<std::string>{"trial 1", "trial 3", "suite/bad", "suite/slow"}));
  EXPECT_EQ(results("error"), (std::set<std::string>{"trial 2", "job"}));
  EXPECT_EQ(results("skipped"), (std::set<std::string>{"suite/none"}));
}

TEST(FormatsTest, AFailureThatThePlanKnowsIsNoneUntilThatExpires) {
  CampaignRecord night = fake_campaign();
  const std::string now = campaign_junit(night);
  EXPECT_THAT(now, HasSubstr("<skipped type=\"known\" message=\"BUG: soft lockup in mm_get_cid; "
                             "known until 2027-06-30"));
  EXPECT_THAT(campaign_ktap(night),
              HasSubstr("# XFAIL BUG: soft lockup in mm_get_cid; known until"));
  for (CampaignSignature& one : night.signatures)
    if (one.known) one.known->expired = true;
  EXPECT_THAT(campaign_junit(night),
              HasSubstr("<failure type=\"soft_lockup\" message=\"BUG: soft lockup in mm_get_cid; "
                        "known, but only until 2027-06-30"));
}

TEST(FormatsTest, ARunThatIsNotWholeIsNoPass) {
  RunRecord run = fake_run("r", {P, P});
  run.spec.repeat = 5;
  run.verdict = overall(run.trials, 5);
  EXPECT_THAT(batch_junit(batch_of({run})),
              HasSubstr("<error type=\"ktrial\" message=\"only 2 of 5 trials were completed\""));
  EXPECT_THAT(batch_ktap(batch_of({run})), HasSubstr("not ok 3 - run # ERROR only 2 of 5"));
  run.trials.clear();
  run.verdict = overall({}, 5);
  EXPECT_THAT(batch_kcidb(batch_of({run})), HasSubstr("\"status\": \"MISS\""));
}

TEST(FormatsTest, KcidbSaysWhoseFaultItIs) {
  RunRecord run = fake_run("r", {P, F, I, I, I});
  run.trials[3].verdict.kind = Kind::workload_not_started;
  run.trials[4].verdict.kind = Kind::workload_unfit;
  const auto json = parse_json(batch_kcidb(batch_of({run})));
  ASSERT_TRUE(json);
  std::vector<std::string> trials;
  for (const Json& test : (*json)["tests"])
    if (test["path"] == "ktrial.mmcid-vfork") trials.push_back(test["status"]);
  EXPECT_EQ(trials, (std::vector<std::string>{"PASS", "FAIL", "MISS", "ERROR", "SKIP"}));
  std::vector<std::string> guilty;
  for (const Json& issue : (*json)["issues"])
    for (const auto& [who, is] : issue["culprit"].items())
      if (is == true) guilty.push_back(who);
  EXPECT_EQ(guilty, (std::vector<std::string>{"code", "harness", "tool"}));
  EXPECT_EQ(batch_kcidb(batch_of({run})), batch_kcidb(batch_of({run}))) << "ids are stable";
}

TEST(FormatsTest, KcidbKeepsToItsSchema) {
  if (schemas().empty())
    GTEST_SKIP() << "set KTRIAL_SCHEMAS to a folder with kcidb-v5.3.schema.json";
  std::vector<std::string> documents = {
      batch_kcidb(batch()), campaign_kcidb(fake_campaign(), fake_evidence(fake_campaign()))};
  for (const std::string& text : hostile_strings())
    documents.push_back(batch_kcidb(batch_of({with_strings(fake_run("r", {P, F, I}), text)})));
  const char* kCheck =
      "import json,sys\n"
      "try: import jsonschema\n"
      "except ImportError: sys.exit(77)\n"
      "schema=json.load(open(sys.argv[1]))\n"
      "v=jsonschema.Draft7Validator(schema,format_checker=jsonschema.FormatChecker())\n"
      "bad=[str(e)[:500] for f in sys.argv[2:] for e in v.iter_errors(json.load(open(f)))]\n"
      "print('\\n'.join(bad)); sys.exit(1 if bad else 0)";
  const auto checked =
      read_by({"python3", "-c", kCheck, schemas() + "/kcidb-v5.3.schema.json"}, documents);
  ASSERT_TRUE(checked);
  if (checked->exit_status == 77) GTEST_SKIP() << "python3-jsonschema is not installed";
  EXPECT_TRUE(checked->ok()) << checked->out << checked->err;
}

// tools/testing/kunit of a kernel's source, unpacked.
std::string kunit() {
  return foreign("KTRIAL_KUNIT", {"/usr/src/linux-source-6.1/tools/testing/kunit",
                                  "/usr/src/linux-source-6.12/tools/testing/kunit"});
}

// As "main[suite[trial PASS|...]]", names and all.
TEST(FormatsTest, TheKernelsOwnParserReadsTheKtap) {
  if (kunit().empty())
    GTEST_SKIP() << "set KTRIAL_KUNIT to tools/testing/kunit of a kernel's source";
  const char* kRead =
      "import sys,io,contextlib\n"
      "sys.path.insert(0,sys.argv[1])\n"
      "import kunit_parser\n"
      "for f in sys.argv[2:]:\n"
      "  with contextlib.redirect_stdout(io.StringIO()):\n"
      "    try: t=kunit_parser.parse_run_tests(open(f,encoding='utf-8'))\n"
      "    except TypeError:\n"
      "      from kunit_printer import Printer\n"
      "      t=kunit_parser.parse_run_tests(open(f,encoding='utf-8'),Printer())\n"
      "  c=t.counts\n"
      "  print('=',len(t.subtests),c.passed,c.failed,c.crashed,c.skipped,c.errors)\n";
  std::vector<std::string> documents = {batch_ktap(batch()), campaign_ktap(fake_campaign())};
  for (const std::string& text : hostile_strings())
    documents.push_back(batch_ktap(batch_of({with_strings(fake_run("r", {P, F, I}), text)})));
  const auto read = read_by({"python3", "-c", kRead, kunit()}, documents);
  ASSERT_TRUE(read);
  ASSERT_TRUE(read->ok()) << read->err;
  std::string counts;  // besides what the parser prints itself
  for (const std::string_view line : split(read->out, '\n'))
    if (line.starts_with("= ")) counts += std::string(line.substr(2)) + "\n";
  std::string_view lines = counts;
  // Two suites; one trial passes, one is an error; two have four subtests each, of which one
  // passes, two fail, one is skipped; the job that never was.
  EXPECT_EQ(take_line(lines), "2 3 6 0 2 0");
  std::size_t pass = 0, fail = 0, known = 0;
  const CampaignRecord night = fake_campaign();
  for (const CampaignCell& cell : night.cells)
    for (const CellTrial& one : cell.strip) {
      const bool is_known = one.signature && night.signatures[*one.signature].known &&
                            !night.signatures[*one.signature].known->expired;
      known += is_known ? 1 : 0;
      (one.outcome == P ? pass : fail) += is_known ? 0 : 1;
    }
  EXPECT_EQ(take_line(lines), "13 " + std::to_string(pass + known) + " " +
                                  std::to_string(fail + night.lost.size()) + " 0 0 0");
  for (const std::string& text : hostile_strings())
    EXPECT_EQ(take_line(lines), "1 2 4 0 1 0") << printable(text.substr(0, 100));
}

TEST(FormatsTest, NoStringBreaksADocument) {
  for (const std::string& text : hostile_strings()) {
    const BatchRecord runs = batch_of({with_strings(fake_run("r", {P, F, I}), text)});
    const CampaignRecord night = with_strings(fake_campaign(small()), text);
    const CampaignEvidence evidence = fake_evidence(night, {.hostile = true});
    EXPECT_EQ(problem_of_junit(batch_junit(runs)), "");
    EXPECT_EQ(problem_of_junit(campaign_junit(night, evidence)), "");
    EXPECT_EQ(problem_of_junit(analyze_junit({{text, runs.parts[0].run->trials[1].findings}})), "");
    EXPECT_EQ(problem_of_ktap(batch_ktap(runs)), "");
    EXPECT_EQ(problem_of_ktap(campaign_ktap(night, evidence)), "");
    EXPECT_EQ(problem_of_kcidb(batch_kcidb(runs)), "");
    EXPECT_EQ(problem_of_mail(batch_mail(runs)), "");
    EXPECT_EQ(problem_of_mail(campaign_mail(night, evidence)), "");
    EXPECT_LT(batch_junit(runs).size(), 200'000u);
    const std::string screen = campaign_text(night);
    for (char c : screen)
      EXPECT_TRUE(c == '\n' || c == '\t' || static_cast<unsigned char>(c) >= 0x20);
    EXPECT_TRUE(parse_json(campaign_json(night)));
  }
}

TEST(FormatsTest, ALineOf10MegabytesCostsNoMoreThanItShows) {
  RunRecord run = fake_run("r", {F});
  const std::string line(10 << 20, '<');
  run.trials[0].findings[0].excerpt = run.trials[0].incident.autopsy = run.verdict.title =
      run.trials[0].verdict.title = run.trials[0].subtests[0].name = line;
  const BatchRecord runs = batch_of({run});
  for (const std::string& text :
       {batch_junit(runs), batch_ktap(runs), batch_kcidb(runs), batch_mail(runs)})
    EXPECT_LT(text.size(), 20'000u);
}

// A reader that finds nothing wrong proves nothing.
TEST(FormatsTest, TheReadersOfTheseTestsAreStrict) {
  EXPECT_NE(problem_of_xml("<a>\x1b</a>"), "");
  EXPECT_NE(problem_of_junit(
                "<testsuites><testsuite name='a' tests='2' failures='0' errors='0' skipped='0'>"
                "<testcase name='x'/></testsuite></testsuites>"),
            "");
  EXPECT_NE(problem_of_ktap("KTAP version 1\n1..1\nok 2 - x\n"), "");
  EXPECT_NE(problem_of_ktap("KTAP version 1\n1..1\nok 1 - x\nok 2 - y\n"), "");
  EXPECT_NE(problem_of_mail("Subject: a\nBcc: b\n\n"), "");
  EXPECT_NE(problem_of_kcidb("{\"checkouts\": []}"), "");
}

TEST(FormatsTest, ANightFitsAScreen) {
  const std::string text =
      campaign_text(fake_campaign({.kernels = 10, .workloads = 5, .cpu_counts = 4, .trials = 20}));
  EXPECT_LE(std::ranges::count(text, '\n'), 45) << text;
}

// The shell puts the lines of a command together again, whatever the words are.
TEST(ShellLinesTest, AreTheSameCommandWithinTheColumns) {
  const std::vector<std::vector<std::string>> commands = {
      {"printf", "%s\\n", "a", "b c", "d'e", "", "$x", "k=v"},
      {"printf", "%s\\n", std::string(200, 'x'), "short", std::string(100, '\'')},
      {"printf", "%s\\n", std::string(58, 'y'), std::string(70, 'z') + " " + std::string(70, 'w'),
       "\xc3\xa4"}};
  for (const auto& command : commands) {
    const std::string text = shell_lines(command, 72, "  ");
    std::string_view rest = text;
    while (const auto line = take_line(rest)) EXPECT_LE(line->size(), 73u) << *line;
    const auto said = run_command({"sh", "-c", text});
    ASSERT_TRUE(said);
    std::string want;
    for (std::size_t i = 2; i < command.size(); ++i) want += command[i] + "\n";
    EXPECT_EQ(said->out, want) << text;
  }
}

}  // namespace
}  // namespace ktrial::results
