#include "harness/cli/campaign_document.h"

#include <fmt/chrono.h>

#include <ctime>

#include "harness/base/text.h"
#include "harness/cli/output.h"
#include "harness/cli/terminal.h"
#include "results/report/campaign.h"
#include "results/report/html.h"

namespace ktrial::cli {
namespace {

using results::CampaignEvidence;
using results::CampaignRecord;

// Every format; those with `evidence` show the records, too.
struct Format {
  const char* name;
  bool evidence;
  std::string (*write)(const CampaignRecord&, const CampaignEvidence&, const CampaignReport&);
};
constexpr Format kFormats[] = {
    {"json", false, [](auto& night, auto&, auto&) { return results::campaign_json(night); }},
    {"junit", true,
     [](auto& night, auto& more, auto&) { return results::campaign_junit(night, more); }},
    {"ktap", true,
     [](auto& night, auto& more, auto&) { return results::campaign_ktap(night, more); }},
    {"kcidb", true,
     [](auto& night, auto& more, auto& report) {
       return results::campaign_kcidb(night, more, {.origin = report.origin});
     }},
    {"html", true,
     [](auto& night, auto& more, auto&) { return results::campaign_html(night, more); }},
    {"html-index", false,
     [](auto& night, auto&, auto&) { return results::campaign_index_html(night); }},
    {"mail", true,
     [](auto& night, auto& more, auto&) { return results::campaign_mail(night, more); }},
};

std::string document_of(const results::Store& store, const CampaignRecord& night,
                        const CampaignReport& report) {
  for (const Format& one : kFormats) {
    if (report.format != one.name) continue;
    CampaignEvidence evidence;
    if (one.evidence) evidence = results::load_evidence(store, night);
    if (report.format == "html") results::add_pictures(evidence, night);
    return one.write(night, evidence, report);
  }
  results::TextOptions options = text_options();
  options.color = options.color && report.output.empty();
  return results::campaign_text(night, options);
}

}  // namespace

std::vector<std::string> campaign_formats() {
  std::vector<std::string> out{"text"};
  for (const Format& one : kFormats) out.emplace_back(one.name);
  return out;
}

Status print_campaign(const results::Store& store, const CampaignRecord& night,
                      const CampaignReport& report) {
  return write_document(document_of(store, night, report), report.output);
}

std::string today() { return fmt::format("{:%Y-%m-%d}", fmt::gmtime(std::time(nullptr))); }

std::string status_text(const campaign::NightFile& night) {
  int pass = 0, fail = 0, inconclusive = 0;
  std::map<std::string, int> failures;
  for (const auto& [cell, seen] : night.seen.cells) {
    pass += seen.pass;
    fail += seen.fail;
    inconclusive += seen.inconclusive;
    for (const auto& [signature, count] : seen.signatures) failures[signature] += count;
  }
  const bool runs = night.state == results::RunState::running;
  std::string out = fmt::format(
      "{}: {}, {} used{}\n", night.seen.id, name(night.state), spoken_seconds(night.used_s),
      runs && night.left_s ? ", about " + spoken_seconds(*night.left_s) + " left" : "");
  out += fmt::format("  {} trials: {} pass, {} fail, {} inconclusive\n", pass + fail + inconclusive,
                     pass, fail, inconclusive);
  for (const auto& [signature, count] : failures)
    out += fmt::format("  {:>5}  {}\n", count, results::printable(signature));
  if (runs)
    for (const std::string& cell : night.running)
      out += fmt::format("  running: {}\n", results::printable(cell));
  return out;
}

}  // namespace ktrial::cli
