// Labs that run real trials: kernels from Debian packages, or built from git.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "harness/bisect/lab.h"
#include "harness/spec/spec.h"
#include "harness/run/run.h"

namespace ktrial::bisect {

// A commit's name -> what `--kernel` takes; Unbuildable when there is none. `aside`: called
// beside trials, it says nothing and ends at that stop request, else at a signal.
using Maker = std::function<Result<Made>(const std::string& commit,
                                         const std::optional<std::stop_token>& aside)>;

// Runs `spec` on the kernels that `maker` makes. `options` and `observer` are
// those of each trial; `observer` must outlive the lab. Of trials at the same time it
// hears the steps only.
std::unique_ptr<Lab> trial_lab(spec::TrialSpec spec, run::RunOptions options,
                               trial::Observer& observer, Maker maker);

// Downloads the package; one that vanished from the archive is skipped.
// `progress` gets one line of text at a time, from the calling thread.
Maker package_maker(bool offline, std::function<void(std::string_view)> progress);

}  // namespace ktrial::bisect
