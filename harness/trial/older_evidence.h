// The evidence of a trial whose ktrial kept no evidence.json, as far as its record and its events
// tell it. Pure; the input may be a stranger's.
#pragma once

#include <optional>
#include <string_view>

#include "harness/trial/kept_evidence.h"

namespace ktrial::trial {

struct OlderEvidence {
  KeptEvidence kept;                 // without what the logs tell
  std::optional<double> nmi_at_s{};  // since the trial's start
};

// `events`: the bytes of events.jsonl; may be empty.
OlderEvidence older_evidence(const results::TrialRecord& record, const results::SpecSummary& spec,
                             std::string_view events);

}  // namespace ktrial::trial
