// A job run in this process: from a spec to a record in the store. Store, signals and janitor
// around trials.
#pragma once

#include <functional>

#include "harness/base/result.h"
#include "harness/run/event.h"
#include "harness/run/job.h"
#include "results/record.h"

namespace ktrial::trial {
struct Plan;
}

namespace ktrial::run {

// Blocks. `adapt` may change the plan once it is made. `sink` is told all but Ended. SIGINT and
// SIGTERM end the running trial, commit what is known and yield ErrorKind::interrupted. An Error
// means that ktrial could not do its work; a kernel's failure is in the record. `indexed`: see
// results::Store::open().
Result<results::RunRecord> run_job(const Job& job, const Sink& sink,
                                   const std::function<Status(trial::Plan&)>& adapt = {},
                                   bool indexed = true);

// Of a job with `kernel_only`: tells no event but Made. ErrorKind::interrupted on a signal.
enum class CpuTime {
  left_over,  // trials run beside it
  own,        // others wait for it
};
Result<Made> make_kernel(const Job& job, const Sink& sink, CpuTime cpus = CpuTime::left_over);

}  // namespace ktrial::run
