// What stays of a run when disk is dear. The records themselves are never touched.
#pragma once

#include <filesystem>

#include "harness/base/result.h"

namespace ktrial::results {

enum class Keep {
  records,   // run.json, job.json and each trial's verdict.json
  evidence,  // these, and console.log, autopsy.txt and kernel.log of each trial
};

// Removes all else below the folder of a run that is over.
Status thin(const std::filesystem::path& run, Keep keep);

}  // namespace ktrial::results
