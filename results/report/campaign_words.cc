#include "results/report/campaign_words.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "harness/base/text.h"
#include "results/report/text.h"

namespace ktrial::results {

Totals totals_of(const CampaignRecord& campaign) {
  Totals out;
  for (const CampaignCell& cell : campaign.cells) {
    out.pass += static_cast<std::size_t>(std::max(0, cell.pass));
    out.fail += static_cast<std::size_t>(std::max(0, cell.fail));
    out.inconclusive += static_cast<std::size_t>(std::max(0, cell.inconclusive));
  }
  for (const CampaignSignature& one : campaign.signatures) {
    out.fresh += one.standing == Standing::fresh ? 1 : 0;
    out.worse += one.standing == Standing::worse ? 1 : 0;
    out.known += one.standing == Standing::known && one.count > 0 ? 1 : 0;
    out.failing += one.count > 0 ? 1 : 0;
    out.unsaid += one.standing == Standing::unknown && one.count > 0 ? 1 : 0;
    out.expired += one.known && one.known->expired ? 1 : 0;
  }
  return out;
}

std::string headline(const CampaignRecord& campaign) {
  const Totals totals = totals_of(campaign);
  std::string out;
  const auto add = [&](std::size_t n, const std::string& text) {
    if (n > 0) out += (out.empty() ? "" : ", ") + text;
  };
  add(totals.fresh, counted(totals.fresh, "new failure"));
  add(totals.worse, std::to_string(totals.worse) + " worse");
  add(totals.expired, counted(totals.expired, "known failure") + " expired");
  if (out.empty() && totals.fail > 0 && totals.unsaid > 0)
    out = std::to_string(totals.fail) + " of " +
          counted(totals.fail + totals.pass, "judged trial") + " failed";
  if (out.empty() && totals.fail > 0) {
    add(totals.known, counted(totals.known, "known failure"));
    const std::size_t others = totals.failing - std::min(totals.failing, totals.known);
    add(others, counted(others, "failure") + " seen before");
    out = "Nothing new: " + out;
  }
  if (out.empty() && totals.pass == 0) return "Nothing was judged";
  return out.empty() ? "No failure in " + counted(totals.pass, "judged trial") : out;
}

std::string title_of(const CampaignSignature& signature) {
  return one_line(signature.title.empty() ? signature.signature : signature.title, 200);
}

std::string known_text(const CampaignSignature& signature) {
  if (!signature.known) return {};
  const KnownFailure& known = *signature.known;
  std::string out = known.expired ? "EXPIRED: known, but only until " + one_line(known.until, 40)
                    : known.until.empty() ? "known"
                                          : "known until " + one_line(known.until, 40);
  return known.link.empty() ? out : out + ", " + one_line(known.link, 200);
}

std::string axes_text(const CampaignCell& cell) {
  std::string out;
  for (const auto& [key, value] : cell.axes)
    out += (out.empty() ? "" : " ") + one_line(key, 40) + "=" + one_line(value, 120);
  return out.empty() ? "all" : out;
}

std::string rate_text(const RateInterval& rate) {
  return percent(rate.low) + " to " + percent(rate.high);
}

std::string confidence_text(const CampaignRecord& campaign) {
  return fixed(100 * campaign.confidence,
               std::fabs(100 * campaign.confidence - std::round(100 * campaign.confidence)) < 1e-9
                   ? 0
                   : 1) +
         " %";
}

std::string budget_text(const CampaignBudget& budget) {
  if (budget.used_s <= 0) return {};
  std::string out = spoken_seconds(budget.used_s);
  if (budget.asked_s > 0) out += " of " + spoken_seconds(budget.asked_s);
  if (budget.possible_vm_s > 0)
    out += "; machines had " + percent(budget.vm_s / budget.possible_vm_s) + " of the host's CPUs";
  return out;
}

std::string times(int count) {
  return count == 1 ? "once" : std::to_string(std::max(0, count)) + " times";
}

std::string seen_text(const CampaignSignature& signature) {
  if (signature.count <= 0) return "not seen tonight";
  return times(signature.count) + " in " + counted(signature.cells.size(), "cell");
}

int urgency(Standing standing) {
  // By Standing: fresh, known, flaky, worse, better, gone, clean, unknown.
  static constexpr std::array<int, 8> kOrder = {0, 3, 2, 1, 5, 6, 7, 4};
  return kOrder[static_cast<std::size_t>(standing)];
}
int urgency(const CampaignCell& cell) { return urgency(cell.standing); }

std::string rest_of(const std::vector<const CampaignCell*>& cells, std::size_t from) {
  std::array<std::size_t, 8> counts{};
  for (std::size_t i = from; i < cells.size(); ++i)
    ++counts[static_cast<std::size_t>(cells[i]->standing)];
  std::string out;
  for (std::size_t i = 0; i < counts.size(); ++i)
    if (counts[i] > 0)
      out += (out.empty() ? "" : ", ") + std::to_string(counts[i]) + " " +
             std::string(name(static_cast<Standing>(i)));
  return "... and " + std::to_string(cells.size() - from) + " more: " + out;
}

}  // namespace ktrial::results
