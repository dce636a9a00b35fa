#include "results/report/campaign.h"
#include "results/store/json.h"
#include "results/store/json_fields.h"

namespace ktrial::results {
namespace {

Json numbers_json(const std::vector<NumberRange>& numbers) {
  Json out = Json::array();
  for (const NumberRange& one : numbers)
    out.push_back({{"name", one.name},
                   {"trials", one.trials},
                   {"low", one.low},
                   {"median", one.median},
                   {"high", one.high},
                   {"moved", one.moved}});
  return out;
}

Json cell_json(const CampaignCell& cell) {
  Json axes = Json::object();
  for (const auto& [key, value] : cell.axes) axes[key] = value;
  return {{"axes", std::move(axes)},
          {"trials", cell.trials()},
          {"pass", cell.pass},
          {"fail", cell.fail},
          {"inconclusive", cell.inconclusive},
          {"rate", {{"low", cell.rate.low}, {"high", cell.rate.high}}},
          {"state", name(cell.standing)},
          {"why", cell.why},
          {"goal", cell.goal},
          {"numbers", numbers_json(cell.numbers)}};
}

Json signature_json(const CampaignSignature& one) {
  Json out = {{"signature", one.signature},
              {"title", one.title},
              {"kind", one.kind.name()},
              {"culprit", one.culprit},
              {"count", one.count},
              {"state", name(one.standing)},
              {"why", one.why},
              {"common", one.common}};
  out["cells"] = one.cells;
  out["run"] = one.run;
  out["trial"] = one.index;
  out["nights"] = one.nights;
  if (one.known)
    out["known"] = {
        {"until", one.known->until}, {"link", one.known->link}, {"expired", one.known->expired}};
  return out;
}

Json night_json(const NightSummary& night) {
  return {{"id", night.id},
          {"started_at", to_text(night.started_at)},
          {"pass", night.pass},
          {"fail", night.fail},
          {"inconclusive", night.inconclusive},
          {"new", night.fresh_signatures}};
}

}  // namespace

std::string campaign_json(const CampaignRecord& campaign) {
  Json out = {{"campaign", campaign.name},
              {"night", campaign.id},
              {"plan", campaign.plan},
              {"state", name(campaign.state)},
              {"started_at", to_text(campaign.started_at)},
              {"finished_at", campaign.finished_at ? Json(to_text(*campaign.finished_at)) : Json()},
              {"confidence", campaign.confidence},
              {"tests", strings(campaign.tests)}};
  out["cells"] = Json::array();
  for (const CampaignCell& cell : campaign.cells) out["cells"].push_back(cell_json(cell));
  out["signatures"] = Json::array();
  for (const CampaignSignature& one : campaign.signatures)
    out["signatures"].push_back(signature_json(one));
  out["budget"] = {{"asked_s", campaign.budget.asked_s},
                   {"used_s", campaign.budget.used_s},
                   {"vm_s", campaign.budget.vm_s},
                   {"possible_vm_s", campaign.budget.possible_vm_s}};
  out["nights"] = Json::array();
  for (const NightSummary& night : campaign.nights) out["nights"].push_back(night_json(night));
  out["lost"] = strings(campaign.lost);
  return dump(document(std::move(out)));
}

}  // namespace ktrial::results
