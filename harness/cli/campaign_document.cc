#include "harness/cli/campaign_document.h"

#include <filesystem>

#include "harness/base/text.h"
#include "harness/campaign/session.h"
#include "harness/cli/output.h"
#include "harness/cli/terminal.h"
#include "results/report/campaign.h"
#include "results/report/html.h"

namespace ktrial::cli {
namespace fs = std::filesystem;
namespace {

using results::CampaignEvidence;
using results::CampaignRecord;

// Every format; those with `evidence` show the records, too.
struct Format {
  const char* name;
  const char* ending;  // of its file
  bool evidence;
  std::string (*write)(const CampaignRecord&, const CampaignEvidence&, const CampaignReport&);
};
constexpr Format kFormats[] = {
    {"json", ".json", false,
     [](auto& night, auto&, auto&) { return results::campaign_json(night); }},
    {"junit", ".junit.xml", true,
     [](auto& night, auto& more, auto&) { return results::campaign_junit(night, more); }},
    {"ktap", ".ktap", true,
     [](auto& night, auto& more, auto&) { return results::campaign_ktap(night, more); }},
    {"kcidb", ".kcidb.json", true,
     [](auto& night, auto& more, auto& report) {
       return results::campaign_kcidb(night, more, {.origin = report.origin});
     }},
    {"html", ".html", true,
     [](auto& night, auto& more, auto&) { return results::campaign_html(night, more); }},
    {"html-index", "", false,
     [](auto& night, auto&, auto&) { return results::campaign_index_html(night); }},
    {"mail", ".mail", true,
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

Status write_told(const std::string& document, const fs::path& file) {
  KTRIAL_TRY(write_document(document, file.string()));
  to_stderr("ktrial: wrote {}\n", file.string());
  return {};
}

// Whether it is there, and was written after what it tells of.
bool newer(const fs::path& page, const fs::path& source) {
  std::error_code error;
  const auto written = fs::last_write_time(page, error);
  if (error) return false;
  const auto changed = fs::last_write_time(source, error);
  return error || written >= changed;
}

// The pages that the index leads to, and the index: over all nights, whichever was asked for.
Status write_pages(const results::Store& store, const CampaignRecord& night, const fs::path& folder,
                   bool pages) {
  CampaignRecord latest = night;
  for (const campaign::NightFile& other : campaign::nights_of(store.dir(), night.name)) {
    const std::string& id = other.seen.id;
    const fs::path directory = campaign::campaigns_dir(store.dir()) / id;
    const fs::path page = folder / results::night_page_name(id);
    const bool missing = pages && id != night.id && !newer(page, directory / "campaign.json");
    const bool later = other.seen.started_at > latest.started_at;
    if (!missing && !later) continue;
    auto record = campaign::load_campaign(store, directory);
    if (!record) {  // it must not cost the others' pages
      to_stderr("ktrial: no page of {}: {}\n", id, record.error().message);
      continue;
    }
    if (missing) KTRIAL_TRY(write_told(document_of(store, *record, {.format = "html"}), page));
    if (later) latest = *std::move(record);
  }
  return write_told(results::campaign_index_html(latest), folder / "index.html");
}

Status print_into(const results::Store& store, const CampaignRecord& night,
                  const CampaignReport& report) {
  const fs::path folder = report.output;
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return fail_errno("create " + folder.string(), error.value());
  if (report.format == "html-index") return write_pages(store, night, folder, false);
  const std::string page = results::night_page_name(night.id);
  std::string ending = ".txt";
  for (const Format& one : kFormats)
    if (report.format == one.name) ending = one.ending;
  KTRIAL_TRY(write_told(document_of(store, night, report),
                        folder / (page.substr(0, page.rfind('.')) + ending)));
  return report.format == "html" ? write_pages(store, night, folder, true) : Status{};
}

}  // namespace

std::vector<std::string> campaign_formats() {
  std::vector<std::string> out{"text"};
  for (const Format& one : kFormats) out.emplace_back(one.name);
  return out;
}

Status print_campaign(const results::Store& store, const CampaignRecord& night,
                      const CampaignReport& report) {
  std::error_code error;
  if (report.output.ends_with('/') || fs::is_directory(report.output, error))
    return print_into(store, night, report);
  return write_document(document_of(store, night, report), report.output);
}

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
