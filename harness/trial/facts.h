// What a record says of the kernel and of the host, for who compares or publishes it.
#pragma once

#include "harness/kernel/kernel.h"
#include "harness/trial/plan.h"
#include "results/record.h"

namespace ktrial::trial {

// What is known before the boot.
results::KernelFacts facts_of(const kernel::Kernel& kernel);
// Of a VMM on another host only what it told.
results::HostFacts host_facts(const Vmm& vmm);

}  // namespace ktrial::trial
