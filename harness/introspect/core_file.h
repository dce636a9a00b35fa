// A core file of a stopped guest, as /proc/vmcore would give it: an ELF file whose
// PT_LOADs are the RAM at its physical addresses. `crash`, drgn and makedumpfile
// read it. QEMU's dump-guest-memory has no VMCOREINFO note unless the guest
// registered one, and makedumpfile needs the program headers right after the ELF
// header, so we write our own.
#pragma once

#include <filesystem>
#include <span>

#include "harness/base/result.h"
#include "harness/introspect/kernel.h"
#include "harness/introspect/memory.h"
#include "harness/vm/vm.h"

namespace ktrial::introspect {

// As large as the RAM, but sparse: what was never touched or is zero takes no
// space. `registers`: of each vCPU what is known; may be empty. `kernel` may be
// null: the file then has neither note nor virtual addresses. The file appears
// under its name when it is whole.
Status write_core_file(const PhysicalMemory& memory, const Kernel* kernel,
                       std::span<const vm::VcpuSample> registers,
                       const std::filesystem::path& path);

}  // namespace ktrial::introspect
