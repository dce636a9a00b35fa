// The pages. KTRIAL_PAGES=DIR keeps those of the tests, to be looked at.
#include "results/report/html.h"

#include <gmock/gmock.h>

#include "harness/base/command.h"
#include "harness/base/file.h"
#include "results/report/batch.h"
#include "results/report/campaign_words.h"
#include "results/report/fake_campaign.h"
#include "results/report/fake_reader.h"
#include "results/report/golden.h"
#include "results/report/html_parts.h"
#include "results/report/templates.h"
#include "results/short_outcomes.h"

namespace ktrial::results {
namespace {
using ::testing::HasSubstr;
using ::testing::Not;

std::string kept(const std::string& page, const char* name) {
  const char* folder = std::getenv("KTRIAL_PAGES");
  EXPECT_TRUE(!folder || write_file_atomically(std::filesystem::path(folder) / name, page));
  return page;
}

TEST(HtmlTest, ANight) {
  const FakeShape shape{.kernels = 2, .workloads = 2, .cpu_counts = 1, .trials = 8, .nights = 3};
  const CampaignRecord night = fake_campaign(shape);
  const std::string page = campaign_html(night, fake_evidence(night));
  expect_golden(page, "night.html");
  EXPECT_EQ(problem_of_html(page), "");
}

TEST(HtmlTest, AllNights) {
  const std::string page = campaign_index_html(fake_campaign());
  expect_golden(kept(page, "index.html"), "index.html");
  EXPECT_EQ(problem_of_html(page), "");
}

TEST(HtmlTest, ARun) {
  const BatchRecord batch =
      batch_of({fake_run("20261129-013000.000-aaaa", {P, F, I, F, P, P, P, P})});
  const std::string page = kept(campaign_html(campaign_of(batch), evidence_of(batch)), "run.html");
  EXPECT_EQ(problem_of_html(page), "");
  EXPECT_THAT(page, HasSubstr("BUG: soft lockup in smp_call_function_many_cond"));
  EXPECT_THAT(page, HasSubstr("--append &apos;a b&apos;\\&apos;&apos;c&apos;"));
  EXPECT_THAT(page, Not(HasSubstr("Matrix"))) << "of one cell there is none";
}

TEST(HtmlTest, ANightOf20000TrialsIsSmall) {
  const FakeShape shape{
      .kernels = 10, .workloads = 5, .cpu_counts = 4, .trials = 100, .nights = 20};
  const CampaignRecord night = fake_campaign(shape);
  const CampaignEvidence evidence = fake_evidence(night);
  const std::string page = kept(campaign_html(night, evidence), "big.html");
  EXPECT_EQ(problem_of_html(page), "");
  EXPECT_LT(page.size(), 5'000'000u);
  RecordProperty("bytes", static_cast<int>(page.size()));
  // The worst of nights: everything fails.
  CampaignRecord worst = night;
  for (CampaignCell& cell : worst.cells)
    for (CellTrial& one : cell.strip) one.outcome = F, one.signature = 1;
  EXPECT_LT(kept(campaign_html(worst, evidence), "worst.html").size(), 5'000'000u);
}

TEST(HtmlTest, ACellWithoutATrialSaysSo) {
  CampaignRecord night = fake_campaign({});
  EXPECT_EQ(campaign_html(night, {}).find("class=\"hn\""), std::string::npos);
  CampaignCell& cell = night.cells.front();
  cell.pass = cell.fail = cell.inconclusive = 0;
  cell.rate = {};
  cell.strip.clear();
  const std::string page = campaign_html(night, {});
  EXPECT_NE(page.find("class=\"hn\""), std::string::npos);
  EXPECT_NE(page.find(">no trial<"), std::string::npos);
}

TEST(HtmlTest, TheHeadlineTellsKnownFromSeenBefore) {
  CampaignRecord night;
  night.cells.push_back({.fail = 2});
  night.signatures.push_back({.count = 1, .standing = Standing::known});
  EXPECT_EQ(headline(night), "Nothing new: 1 known failure");
  night.signatures.push_back({.count = 1, .standing = Standing::flaky});
  EXPECT_EQ(headline(night), "Nothing new: 1 known failure, 1 failure seen before");
  night.signatures.erase(night.signatures.begin());
  EXPECT_EQ(headline(night), "Nothing new: 1 failure seen before");
}

TEST(HtmlTest, NoStringBreaksAPage) {
  const FakeShape shape{.kernels = 2, .workloads = 2, .cpu_counts = 1, .trials = 8, .nights = 3};
  for (const std::string& text : hostile_strings()) {
    const CampaignRecord night = with_strings(fake_campaign(shape), text);
    CampaignEvidence evidence = fake_evidence(night, {.hostile = true});
    for (auto& [id, run] : evidence.runs) run = with_strings(run, text);
    evidence.pictures[{night.signatures[0].run, night.signatures[0].index}] = text;
    EXPECT_EQ(problem_of_html(campaign_html(night, evidence)), "");
    EXPECT_EQ(problem_of_html(campaign_index_html(night)), "");
    const BatchRecord runs = batch_of({with_strings(fake_run("r", {P, F, I}), text)});
    EXPECT_EQ(problem_of_html(campaign_html(campaign_of(runs), evidence_of(runs))), "");
  }
  CampaignRecord night = with_strings(fake_campaign(), hostile_strings().front());
  CampaignEvidence evidence = fake_evidence(night, {.hostile = true});
  for (auto& [id, run] : evidence.runs) run.trials[0].incident.autopsy = std::string(10 << 20, '<');
  EXPECT_LT(kept(campaign_html(night, evidence), "hostile.html").size(), 1'000'000u);
}

TEST(HtmlTest, OnlyWebLinksAreLinks) {
  CampaignRecord night = fake_campaign();
  night.signatures[0].known = {"", "javascript:alert(1)", false};
  EXPECT_THAT(campaign_html(night), Not(HasSubstr("href=\"javascript")));
  EXPECT_THAT(campaign_html(night),
              HasSubstr("href=\"https://lore.kernel.org/r/20260301-mm-cid@example.org\""));
}

// The policy names the very bytes of script and style: a browser runs no other.
TEST(HtmlTest, ThePolicyNamesScriptAndStyle) {
  const std::string page = campaign_html(fake_campaign());
  for (const std::string& text : {templates().script, templates().style}) {
    const auto dir = TempDir::create();
    ASSERT_TRUE(dir && write_file_atomically(dir->path() / "text", text));
    const auto hash = run_command({"sh", "-c", "openssl dgst -sha256 -binary \"$0\" | base64",
                                   (dir->path() / "text").string()});
    ASSERT_TRUE(hash);
    if (!hash->ok() || hash->out.size() < 40) GTEST_SKIP() << "openssl is not installed";
    EXPECT_THAT(page, HasSubstr("'sha256-" + hash->out.substr(0, hash->out.find('\n')) + "'"));
    EXPECT_THAT(page, HasSubstr(">" + text + "</"));
  }
}

// KTRIAL_BROWSER=chromium: what a browser makes of it. The page's own script runs (it adds #tip).
TEST(HtmlTest, ABrowserRunsOurScriptAndNoGuests) {
  const char* browser = std::getenv("KTRIAL_BROWSER");
  if (!browser) GTEST_SKIP() << "set KTRIAL_BROWSER to a chromium";
  CampaignRecord night = with_strings(fake_campaign(), hostile_strings().front());
  night.name = "a night";
  const auto dir = TempDir::create();
  ASSERT_TRUE(dir &&
              write_file_atomically(dir->path() / "page.html",
                                    campaign_html(night, fake_evidence(night, {.hostile = true}))));
  const auto seen = run_command({browser, "--headless=new", "--no-sandbox", "--disable-gpu",
                                 "--user-data-dir=" + (dir->path() / "profile").string(),
                                 "--dump-dom", "file://" + (dir->path() / "page.html").string()});
  ASSERT_TRUE(seen && seen->ok());
  EXPECT_THAT(seen->out, HasSubstr("<title>1 new failure"));
  EXPECT_THAT(seen->out, HasSubstr("<div id=\"tip\""));
  EXPECT_THAT(seen->out, Not(HasSubstr("<title>owned")));
}

TEST(HtmlTest, Base64) {
  EXPECT_EQ(html::base64(""), "");
  EXPECT_EQ(html::base64("f"), "Zg==");
  EXPECT_EQ(html::base64("fo"), "Zm8=");
  EXPECT_EQ(html::base64("foobar"), "Zm9vYmFy");
  EXPECT_EQ(html::base64("\xff\xff\xff"), "////");
}

TEST(HtmlTest, APagesNameIsAFileName) {
  EXPECT_EQ(night_page_name("20261129-013000.000-ab12"), "20261129-013000.000-ab12.html");
  EXPECT_EQ(night_page_name("../../etc/passwd"), "_._.._etc_passwd.html");
  EXPECT_EQ(night_page_name(""), "night.html");
}

TEST(HtmlTest, TheReaderOfTheseTestsIsStrict) {
  EXPECT_NE(problem_of_html("<html><script>1</script></html>"), "") << "no policy";
  EXPECT_NE(problem_of_html("<html><a onclick='x'/></html>"), "");
  EXPECT_NE(problem_of_html("<html><a href='javascript:x'/></html>"), "");
  EXPECT_NE(problem_of_html("<html><p></html>"), "");
}

}  // namespace
}  // namespace ktrial::results
