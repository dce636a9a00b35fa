#include <sched.h>

#include "harness/base/stop_on_signal.h"
#include "harness/kernel/kernel.h"
#include "harness/run/run.h"
#include "harness/run/teller.h"

namespace ktrial::run {

Result<Made> make_kernel(const Job& job, const Sink& sink, CpuTime cpus) {
  const auto reference = KTRIAL_TRY(kernel::parse_reference(job.spec.kernel));
  const auto* commit = std::get_if<kernel::GitReference>(&reference);
  if (commit == nullptr)
    return usage_error("kernel_only: " + job.spec.kernel + " is not built", "name git:REV");
  // Of this process and of the compilers that it starts. A trial that waits for the CPU is one
  // that says nothing.
  const sched_param none{};
  if (cpus == CpuTime::left_over) ::sched_setscheduler(0, SCHED_IDLE, &none);
  const StopOnSignal signals;
  kernel::BuildRequest request = to_request(job.build);
  request.revision = commit->revision;
  request.cache_dir = job.cache ? *job.cache : KTRIAL_TRY(kernel::default_cache_dir());
  request.stop = signals.token();
  auto outcome = KTRIAL_TRY(kernel::build_kernel(request));
  Made made;
  if (auto* failed = std::get_if<kernel::BuildFailed>(&outcome)) {
    made.problem = failed->errors.empty() ? "it does not compile" : failed->errors.front();
    made.log = failed->log;
  } else {
    made.kernel = std::get<kernel::Built>(outcome).directory.string();
  }
  Teller(sink).tell(made);
  return made;
}

}  // namespace ktrial::run
