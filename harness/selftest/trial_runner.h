// Plants faults in real VMs: the Runner of `ktrial selftest`.
#pragma once

#include "harness/selftest/selftest.h"
#include "harness/run/run.h"

namespace ktrial::selftest {

// `observer` hears all that the trials say; both must outlive the runner.
Runner trial_runner(const run::RunOptions& options, trial::Observer& observer);

}  // namespace ktrial::selftest
