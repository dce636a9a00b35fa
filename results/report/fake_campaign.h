// Made-up records for tests of reports: a night of any size, and strings as a hostile guest would
// send them. The same shape gives the same record.
#pragma once

#include <string>
#include <vector>

#include "results/report/campaign.h"

namespace ktrial::results {

struct FakeShape {
  int kernels = 3, workloads = 2, cpu_counts = 2;  // axes
  int trials = 30;                                 // of each cell
  int nights = 6;
  bool hostile = false;  // every string of a guest's or a plan's is one of hostile_strings()
};
CampaignRecord fake_campaign(const FakeShape& shape = {});
CampaignEvidence fake_evidence(const CampaignRecord& campaign, const FakeShape& shape = {});

// A run with a stall: report, chain, autopsy, subtests.
RunRecord fake_run(const std::string& id, const std::vector<Outcome>& outcomes);

// Markup, control characters, broken UTF-8, ends of CDATA, KTAP and mail syntax, a long line.
const std::vector<std::string>& hostile_strings();
// With `text` in all of the record's strings that a guest or a user may fill.
RunRecord with_strings(RunRecord run, const std::string& text);
CampaignRecord with_strings(CampaignRecord campaign, const std::string& text);

}  // namespace ktrial::results
