// What can be learned from a guest that answers no more, while it still runs.
#pragma once

#include "harness/trial/monitor.h"
#include "harness/trial/plan.h"

namespace ktrial::trial {

// Samples the vCPUs several times, then raises an NMI, which makes the kernel
// print where each CPU is (see unknown_nmi_panic in prepare.cc), and waits for
// that to arrive. Failures of the probe are events, not errors.
std::vector<std::vector<vm::VcpuSample>> probe_stalled_guest(const Plan& plan, Monitor& monitor,
                                                             vm::Vm& vm, Observer& observer);

}  // namespace ktrial::trial
