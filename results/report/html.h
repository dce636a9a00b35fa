// Records -> HTML: pages that stand alone. No request to any host (they forbid it themselves, by
// a Content-Security-Policy), readable without JavaScript. Text of guests is escaped.
#pragma once

#include <string>

#include "results/batch.h"
#include "results/report/campaign.h"

namespace ktrial::results {

std::string campaign_html(const CampaignRecord& campaign, const CampaignEvidence& evidence = {});
// The page over all nights that `latest` knows, for index.html beside their pages.
std::string campaign_index_html(const CampaignRecord& latest);
// The file name that the index expects of a night's page: "20261129-013000.000-ab12.html".
std::string night_page_name(const std::string& night);

// Runs as a campaign's night of a cell each, and what they lead to: so that one page shows either.
// Rates are left open ([0, 1]) and no standing is given: who knows statistics fills them in.
CampaignRecord campaign_of(const BatchRecord& batch);
CampaignEvidence evidence_of(const BatchRecord& batch);

}  // namespace ktrial::results
