// What a night came to, as a document of any format.
#pragma once

#include <string>
#include <vector>

#include "harness/campaign/folder.h"
#include "results/campaign.h"
#include "results/store/store.h"

namespace ktrial::cli {

std::vector<std::string> campaign_formats();
// To stdout, or to the file `output` if it is named.
Status print_campaign(const results::Store& store, const results::CampaignRecord& record,
                      const std::string& format, const std::string& output);
// A night that runs, or ran: how far it is.
std::string status_text(const campaign::NightFile& night);

}  // namespace ktrial::cli
