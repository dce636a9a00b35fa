// Whatever a guest or a user wrote: each document is whole, by its strict reader.
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "results/report/batch.h"
#include "results/report/fake_campaign.h"
#include "results/report/fake_reader.h"
#include "results/report/html.h"
#include "results/report/mail.h"
#include "results/store/json.h"

namespace {

void expect_none(const char* what, const std::string& problem) {
  if (problem.empty()) return;
  std::fprintf(stderr, "%s: %s\n", what, problem.c_str());
  std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace ktrial::results;
  if (size > 4096) return 0;
  const std::string text(reinterpret_cast<const char*>(bytes), size);
  const BatchRecord runs = batch_of(
      {with_strings(fake_run("r", {Outcome::pass, Outcome::fail, Outcome::inconclusive}), text)});
  expect_none("junit", problem_of_junit(batch_junit(runs)));
  expect_none("ktap", problem_of_ktap(batch_ktap(runs)));
  expect_none("kcidb", problem_of_kcidb(batch_kcidb(runs)));
  expect_none("mail", problem_of_mail(batch_mail(runs)));
  static const CampaignRecord plain =
      fake_campaign({.kernels = 1, .workloads = 2, .cpu_counts = 1, .trials = 3, .nights = 2});
  const CampaignRecord night = with_strings(plain, text);
  const CampaignEvidence evidence = evidence_of(runs);
  expect_none("junit of a night", problem_of_junit(campaign_junit(night, evidence)));
  expect_none("ktap of a night", problem_of_ktap(campaign_ktap(night, evidence)));
  expect_none("kcidb of a night", problem_of_kcidb(campaign_kcidb(night, evidence)));
  expect_none("mail of a night", problem_of_mail(campaign_mail(night, evidence)));
  expect_none("page of a night", problem_of_html(campaign_html(night, evidence)));
  expect_none("page of runs", problem_of_html(campaign_html(campaign_of(runs), evidence)));
  expect_none("page of nights", problem_of_html(campaign_index_html(night)));
  if (!parse_json(campaign_json(night))) std::abort();
  for (const char c : campaign_text(night))
    if (static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t') std::abort();
  return 0;
}
