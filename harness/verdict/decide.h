// Evidence → verdict. Pure; one precedence list, see decide.cc.
#pragma once

#include "harness/verdict/evidence.h"
#include "results/record.h"

namespace ktrial::verdict {

using results::Verdict;

// The reason is always set, the title on a failure.
Verdict decide(const Evidence& evidence);

// A workload that exits so says itself that it cannot run on this kernel.
bool cannot_run(const Evidence& evidence, const wire::Exit& exit);

}  // namespace ktrial::verdict
