// Evidence as JSON: the file evidence.json of a trial's folder, so that a verdict can be judged
// again. Without what the folder's logs tell (findings, subtests, the kernel's log): that is heard
// again. Format: docs/schema/evidence.json.
#pragma once

#include <optional>

#include "harness/verdict/evidence.h"
#include "results/store/json.h"

namespace ktrial::verdict {

results::Json to_json(const Evidence& evidence);

// Fields that are missing or of another type are left at their defaults, as those of records are;
// nothing if it does not say what ended the wait. The input may be a stranger's.
std::optional<Evidence> evidence_from_json(const results::Json& json);

}  // namespace ktrial::verdict
