// The kernel modules that a workload brings.
#pragma once

#include <vector>

#include "harness/base/result.h"
#include "harness/guest_image/initramfs.h"
#include "harness/trial/plan.h"

namespace ktrial::trial {

// A workload may bring kernel modules: their source lies in module/, they are built for the kernel
// on trial and packed as /workloads/MODULE.ko. What cannot be built is no error: the workload finds
// it missing, and says that it cannot run. Of the kernel's own tests (from-kernel) the kernel may
// have the modules itself; else they are built from its sources.
Status add_own_modules(const spec::WorkloadInfo& workload, const kernel::Kernel& kernel,
                       const PrepareOptions& options, std::vector<guest_image::Entry>& entries);

}  // namespace ktrial::trial
