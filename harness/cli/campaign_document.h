// What a night came to, as a document of any format.
#pragma once

#include <string>
#include <vector>

#include "harness/campaign/folder.h"
#include "results/campaign.h"
#include "results/store/store.h"

namespace ktrial::cli {

struct CampaignReport {
  std::string format = "text";
  std::string output;             // a file; empty: stdout
  std::string origin = "ktrial";  // of KCIDB
};
std::vector<std::string> campaign_formats();
Status print_campaign(const results::Store& store, const results::CampaignRecord& record,
                      const CampaignReport& report);
// "2027-06-30", UTC.
std::string today();
// A night that runs, or ran: how far it is.
std::string status_text(const campaign::NightFile& night);

}  // namespace ktrial::cli
