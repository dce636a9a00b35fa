// What reading a guest's memory has to know of its processor. One row each, in a folder of its
// own (x86_64/isa.cc); isas.h lists them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "harness/introspect/image.h"
#include "harness/introspect/memory.h"
#include "harness/introspect/modules.h"
#include "harness/introspect/page_tables.h"
#include "harness/introspect/stack.h"
#include "harness/introspect/vmcoreinfo.h"

namespace ktrial::introspect {

struct Isa {
  const char* name;  // as the kernel names it
  // Kernel addresses: where the image may be, KASLR included, and where modules may.
  Range image, modules;

  // The tables that VMCOREINFO leads to; an error unless they map themselves to where they lie.
  Result<std::unique_ptr<PageTables>> (*page_tables)(std::shared_ptr<const PhysicalMemory> memory,
                                                     const VmCoreInfo& info);
  // `kernel` outlives it.
  std::unique_ptr<Unwinder> (*unwinder)(const KernelView& kernel,
                                        const std::vector<Module>& modules);
  // The same for a debugger: a .debug_frame section (DWARF 4, 6.4.1); an error where there is none.
  Result<std::string> (*call_frames)(const KernelView& kernel, const std::vector<Module>& modules);
  // Where the unwinder's data are, of a kernel that has no symbols for data.
  std::vector<Symbol> (*find_unwind_data)(const Image& image, const SymbolTable& symbols);
  // Where the kernel maps all of physical memory.
  std::uint64_t (*direct_map)(const AddressSpace& space, const SymbolTable& symbols,
                              const VmCoreInfo& info);

  // Of a core file: e_machine, and the content of a CPU's NT_PRSTATUS.
  std::uint16_t elf_machine;
  std::string (*prstatus)(const vm::VcpuSample& cpu);
};

}  // namespace ktrial::introspect
