// A machine's state to a file and back, by QEMU's migration.
#pragma once

#include <chrono>

#include "harness/vm/qemu/qmp.h"
#include "harness/vm/vm.h"

namespace ktrial::vm {

// The file that is a machine's RAM.
struct Ram {
  Fd fd;
  // What the machine writes is in the file. Else the file is a template's: the machine has its own
  // pages over it, and nobody but its VMM sees them. No device of another process works then, and
  // none says so: such a device is given RAM that is shared, by ram_for(), or none at all.
  bool shared = true;
};
Result<Ram> ram_for(const VmConfig& config);

// Opened as VmConfig::keep and ::resume need them.
struct StateFiles {
  Fd keep, resume;
};
Result<StateFiles> open_state_files(const VmConfig& config);

// `fd`: the file, which is passed to QEMU: its sandbox lets it start no program to write one.
Status save_state(Qmp& qmp, int fd, bool ram_is_apart, std::chrono::milliseconds patience);
// Loads it, plugs in what is to be plugged in, and lets the guest go on.
Status resume_state(Qmp& qmp, int fd, const ResumeFrom& from, const Ram& ram);

}  // namespace ktrial::vm
