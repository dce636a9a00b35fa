// Words that the texts of a campaign share. Internal to this folder; what they return is safe.
#pragma once

#include <string>
#include <vector>

#include "results/campaign.h"

namespace ktrial::results {

struct Totals {
  std::size_t pass = 0, fail = 0, inconclusive = 0;  // trials
  std::size_t fresh = 0, worse = 0, known = 0;       // signatures
  std::size_t expired = 0;                           // known ones whose time is over
  std::size_t failing = 0;                           // of which there was a failure
  std::size_t unsaid = 0;  // of these, those of which no test says anything
  std::size_t trials() const { return pass + fail + inconclusive; }
};
Totals totals_of(const CampaignRecord& campaign);

// "2 new failures, 1 known", "no failure in 200 trials": the night in a line.
std::string headline(const CampaignRecord& campaign);
std::string title_of(const CampaignSignature& signature);
// "known until 2027-06-30, https://..."; empty: the plan does not know it.
std::string known_text(const CampaignSignature& signature);
// "kernel=host cpus=4".
std::string axes_text(const CampaignCell& cell);
// "0 % to 3.1 %".
std::string rate_text(const RateInterval& rate);
std::string confidence_text(const CampaignRecord& campaign);  // "95 %"
// "7 h 58 min of 8 h 0 min; machines ran for 93 % of what the host has".
std::string budget_text(const CampaignBudget& budget);
std::string times(int count);                               // "once", "12 times"
std::string seen_text(const CampaignSignature& signature);  // "12 times in 3 cells"
// What a reader wants to see first has the lowest.
int urgency(const CampaignCell& cell);
int urgency(Standing standing);
// "... and 12 more: 10 clean, 2 unknown".
std::string rest_of(const std::vector<const CampaignCell*>& cells, std::size_t from);

}  // namespace ktrial::results
