// Labs that run real trials: kernels from Debian packages, or built from git.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "harness/bisect/lab.h"
#include "harness/engine/engine.h"

namespace ktrial::bisect {

// A commit's name -> what `--kernel` takes; Unbuildable when there is none. Ends at a signal.
using Maker = std::function<Result<Made>(const std::string& commit)>;

// Runs `job` once a trial on the kernels that `maker` makes, by `engine`, which must outlive the
// lab. What is made beside trials, or without a maker, is git:COMMIT as job.build says, by a job of
// its own.
std::unique_ptr<Lab> trial_lab(run::Job job, engine::Engine& engine, Maker maker);

// Downloads the package; one that vanished from the archive is skipped.
// `progress` gets one line of text at a time, from the calling thread.
Maker package_maker(bool offline, std::function<void(std::string_view)> progress);

}  // namespace ktrial::bisect
