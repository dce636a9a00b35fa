// Plants faults in real VMs: the Runner of `ktrial selftest`.
#pragma once

#include "harness/engine/engine.h"
#include "harness/selftest/selftest.h"

namespace ktrial::selftest {

// When the workload said that it plants, and whether its module could be built.
class Dating {
 public:
  void hear(const run::Event& event);

 private:
  friend Runner trial_runner(const run::Job& job, engine::Engine& engine, Dating& dating);
  std::optional<double> planted_s_, ended_s_;  // since the job's start
  std::string no_module_;
};

// `job` names all but the spec. `dating` must hear all that the engine's jobs tell; both must
// outlive the runner.
Runner trial_runner(const run::Job& job, engine::Engine& engine, Dating& dating);

}  // namespace ktrial::selftest
