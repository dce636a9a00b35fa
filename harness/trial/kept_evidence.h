// A trial's evidence, out of its folder: evidence.json, and what its logs tell when they are heard
// by the analysers of this ktrial.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "harness/base/result.h"
#include "harness/verdict/evidence.h"
#include "results/record.h"

namespace ktrial::trial {

inline constexpr char kEvidenceFile[] = "evidence.json";  // in the trial's folder

Status keep_evidence(const std::filesystem::path& folder, const verdict::Evidence& evidence);

struct KeptEvidence {
  verdict::Evidence evidence;
  // What the folder does not hold, and what was taken instead: sentences, for people.
  std::vector<std::string> assumed;
};

// The folder may be a stranger's; all that is read is bounded. ErrorKind::usage if the console log
// is gone: without it nothing can be judged. A trial of a ktrial that kept no evidence.json is
// rebuilt from its record and its events.
Result<KeptEvidence> read_evidence(const std::filesystem::path& folder,
                                   const results::TrialRecord& record,
                                   const results::SpecSummary& spec);

// The record as it would be today: `record`, judged by `kept`.
results::TrialRecord judged_again(const KeptEvidence& kept, const results::TrialRecord& record);

}  // namespace ktrial::trial
