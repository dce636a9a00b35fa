// Labs that run real trials: kernels from Debian packages, or built from git.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "harness/bisect/lab.h"
#include "harness/engine/engine.h"

namespace ktrial::bisect {

// A commit's name -> what `--kernel` takes; Unbuildable when there is none. `aside`: called
// beside trials, it says nothing and ends at that stop request, else at a signal.
using Maker = std::function<Result<Made>(const std::string& commit,
                                         const std::optional<std::stop_token>& aside)>;

// Runs `job` once a trial on the kernels that `maker` makes, by `engine`, which must outlive the
// lab.
std::unique_ptr<Lab> trial_lab(run::Job job, engine::Engine& engine, Maker maker);

// Downloads the package; one that vanished from the archive is skipped.
// `progress` gets one line of text at a time, from the calling thread.
Maker package_maker(bool offline, std::function<void(std::string_view)> progress);

}  // namespace ktrial::bisect
