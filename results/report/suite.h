// Trials as tests, as JUnit and KTAP see them. Internal to this folder.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "results/report/campaign.h"

namespace ktrial::results {

// fail: the kernel's. error: nobody can say, the host, QEMU, ktrial or the workload was in the way.
// known: a failure that a campaign's plan knows, and that did not expire.
enum class CaseResult { pass, fail, error, skip, known };

// All strings are safe (one_line(), safe_lines()) and bounded.
struct Case {
  std::string name;
  CaseResult result = CaseResult::error;
  std::string type;                 // of a failure: its kind
  std::string message;              // one line; may be empty
  std::vector<std::string> detail;  // lines; may be empty
  double seconds = 0;
  std::vector<Case> parts = {};  // subtests
};
struct Suite {
  std::string name;
  Facts properties;
  std::string host;
  TimePoint started_at{};
  std::vector<Case> cases;  // never empty
};

std::vector<Suite> suites_of(const BatchRecord& batch);
std::vector<Suite> suites_of(const CampaignRecord& campaign, const CampaignEvidence& evidence);
std::vector<Suite> suites_of(const std::vector<FileFindings>& files);

// What a trial's record has to show of a failure, some screens at most: the report, the causal
// chain, the autopsy.
std::vector<std::string> detail_of(const TrialRecord& trial);
// The finding that gave the verdict's title, else the first; null: there is none.
const Finding* telling_finding(const TrialRecord& trial);
// How a trial was not judged: skip for what does not apply to this kernel, else error.
CaseResult unjudged(Kind kind);

std::string junit(const std::vector<Suite>& suites);
std::string ktap(const std::vector<Suite>& suites);

}  // namespace ktrial::results
