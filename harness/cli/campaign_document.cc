#include "harness/cli/campaign_document.h"

#include "harness/base/file.h"
#include "harness/base/text.h"
#include "harness/cli/output.h"
#include "harness/cli/terminal.h"
#include "results/store/json.h"
#include "results/store/json_fields.h"

namespace ktrial::cli {
namespace {

using results::Json;

std::string campaign_json(const results::CampaignRecord& campaign) {
  Json cells = Json::array(), signatures = Json::array(), nights = Json::array();
  for (const auto& cell : campaign.cells) {
    Json axes = Json::object();
    for (const auto& [key, value] : cell.axes) axes[key] = value;
    cells.push_back({{"axes", std::move(axes)},
                     {"trials", cell.trials()},
                     {"pass", cell.pass},
                     {"fail", cell.fail},
                     {"inconclusive", cell.inconclusive},
                     {"rate", {{"low", cell.rate.low}, {"high", cell.rate.high}}},
                     {"state", name(cell.standing)},
                     {"why", cell.why},
                     {"goal", cell.goal}});
  }
  for (const auto& one : campaign.signatures)
    signatures.push_back({{"signature", one.signature},
                          {"title", one.title},
                          {"count", one.count},
                          {"state", name(one.standing)},
                          {"why", one.why},
                          {"common", one.common},
                          {"run", one.run},
                          {"trial", one.index}});
  Json out{{"campaign", campaign.name},
           {"night", campaign.id},
           {"state", name(campaign.state)},
           {"tests", results::strings(campaign.tests)},
           {"cells", std::move(cells)},
           {"signatures", std::move(signatures)},
           {"budget",
            {{"asked_s", campaign.budget.asked_s},
             {"used_s", campaign.budget.used_s},
             {"vm_s", campaign.budget.vm_s},
             {"possible_vm_s", campaign.budget.possible_vm_s}}},
           {"lost", results::strings(campaign.lost)}};
  return results::dump(results::document(std::move(out)));
}

std::string campaign_text(const results::CampaignRecord& campaign) {
  std::string out = fmt::format("{} ({})\n", campaign.id, name(campaign.state));
  for (const auto& one : campaign.signatures)
    out += fmt::format("  {:<8}{:>4}  {}  {}\n            {}\n{}", name(one.standing), one.count,
                       results::printable(one.signature), results::printable(one.title), one.why,
                       one.common.empty() ? "" : "            " + one.common + "\n");
  for (const auto& cell : campaign.cells) {
    std::string axes;
    for (const auto& [key, value] : cell.axes)
      axes += (axes.empty() ? "" : " ") + key + "=" + value;
    out += fmt::format("  {:<8}{:>4}/{:<4} {:5.1f}..{:.1f} %  {}\n", name(cell.standing), cell.fail,
                       cell.pass + cell.fail, 100 * cell.rate.low, 100 * cell.rate.high, axes);
  }
  return out;
}

}  // namespace

std::vector<std::string> campaign_formats() { return {"text", "json"}; }

Status print_campaign(const results::Store&, const results::CampaignRecord& record,
                      const std::string& format, const std::string& output) {
  const std::string document = format == "json" ? campaign_json(record) : campaign_text(record);
  if (!output.empty()) return write_file_atomically(output, document);
  to_stdout("{}", document);
  return {};
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
