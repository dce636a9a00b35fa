// What of a core file is the processor's.
#pragma once

#include <cstdint>
#include <string>

#include "harness/introspect/address_space.h"
#include "harness/introspect/symbols.h"
#include "harness/introspect/vmcoreinfo.h"
#include "harness/vm/vm.h"

namespace ktrial::introspect::x86_64 {

std::string prstatus(const vm::VcpuSample& cpu);  // struct elf_prstatus
std::uint64_t direct_map(const AddressSpace& space, const SymbolTable& symbols,
                         const VmCoreInfo& info);

}  // namespace ktrial::introspect::x86_64
