// The guest kernel's command line.
#pragma once

#include <string>

#include "harness/kernel/kernel.h"
#include "harness/spec/spec.h"
#include "harness/spec/timeouts.h"
#include "harness/vm/vm.h"

namespace ktrial::trial {

// Evidence first (KERNEL-side detectors on, everything on the console), speed second, the user's
// words last, so that they win.
std::string kernel_command_line(const spec::TrialSpec& spec, const spec::Timeouts& timeouts,
                                const kernel::Kernel& kernel, vm::Accel accel);
// Of such a command line all that two machines of one spec share: what was measured of the host's
// counter differs by some millionths from one time to the next.
std::string without_measured_words(const std::string& command_line, const arch::Arch& arch);

}  // namespace ktrial::trial
