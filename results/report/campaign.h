// What a campaign's night came to -> documents. As report.h: guest text is untrusted and
// escaped, every document is whole whatever it holds. Pure but for load_evidence()
// and add_pictures(), which read files.
#pragma once

#include <map>
#include <string>
#include <utility>

#include "results/campaign.h"
#include "results/report/kcidb.h"
#include "results/report/report.h"

namespace ktrial::results {

// Records that the campaign's own leads to. A document that gets none of them is shorter, no
// less whole.
struct CampaignEvidence {
  std::map<std::string, RunRecord> runs;  // by id
  // trace.svg of a trial, by run and index.
  std::map<std::pair<std::string, int>, std::string> pictures;

  const TrialRecord* trial(const std::string& run, int index) const;  // null: not there
};
// The run of each signature's first trial, and of one trial of each cell. What cannot be read is
// left out: a report is made of what there is.
CampaignEvidence load_evidence(const Store& store, const CampaignRecord& campaign);
// The pictures of its signatures' trials, which have to be there.
void add_pictures(CampaignEvidence& evidence, const CampaignRecord& campaign);

// One screen: what to look at first.
std::string campaign_text(const CampaignRecord& campaign, const TextOptions& options = {});
// The command line contract's document; docs/schema/campaign.json.
std::string campaign_json(const CampaignRecord& campaign);
// A suite for each cell, a case for each trial. A failure that the plan knows is skipped, until
// that expires.
std::string campaign_junit(const CampaignRecord& campaign, const CampaignEvidence& evidence = {});
std::string campaign_ktap(const CampaignRecord& campaign, const CampaignEvidence& evidence = {});
std::string campaign_kcidb(const CampaignRecord& campaign, const CampaignEvidence& evidence = {},
                           const KcidbOptions& options = {});
// A message with a subject, ready for a list; see mail.h.
std::string campaign_mail(const CampaignRecord& campaign, const CampaignEvidence& evidence = {});

}  // namespace ktrial::results
