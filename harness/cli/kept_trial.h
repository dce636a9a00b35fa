// Which trial of a run `open`, `gdb` and `drgn` are about.
#pragma once

#include "harness/base/result.h"
#include "results/record.h"

namespace ktrial::cli {

// The trial that was asked for; `wanted` < 0: the first one that kept its machine,
// or, where `core_will_do`, a core file.
Result<results::TrialRecord> kept_trial(const results::RunRecord& run, int wanted,
                                        bool core_will_do = false);

}  // namespace ktrial::cli
