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
  std::string output;             // a file, or a folder; empty: stdout
  std::string origin = "ktrial";  // of KCIDB
};
std::vector<std::string> campaign_formats();
// Into a folder (one that is there, or DIR/) it goes as ID.html, ID.junit.xml, ...; with `html`
// also index.html and the pages of other nights that are not there, or are older than what they
// tell of.
Status print_campaign(const results::Store& store, const results::CampaignRecord& record,
                      const CampaignReport& report);
// A night that runs, or ran: how far it is.
std::string status_text(const campaign::NightFile& night);

}  // namespace ktrial::cli
