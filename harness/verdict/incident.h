// One stall makes several reports: a soft lockup here, an RCU stall there, a hung task,
// silence. This puts them back together. Pure.
#pragma once

#include "harness/verdict/evidence.h"
#include "results/record.h"

namespace ktrial::verdict {

// The causal chain, culprit first, and who waits for it. Empty if nothing stalled.
results::Incident incident_of(const Evidence& evidence);

}  // namespace ktrial::verdict
