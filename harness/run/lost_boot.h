// A boot that says nothing of the kernel, and what it left.
#pragma once

#include <filesystem>

#include "harness/base/result.h"
#include "results/record.h"

namespace ktrial::run {

// Under TCG about one boot in a hundred of four vCPUs is lost. Most of these run stale code
// (verdict/blame.h), of others nothing is known. On hardware a lost boot tells something: false.
bool lost_at_boot(const results::TrialRecord& record);

// Moves all that a start left in the trial's folder into `folder` in it, out of the way of the
// next one.
Status set_aside(const std::filesystem::path& artifacts, const std::filesystem::path& folder);

}  // namespace ktrial::run
