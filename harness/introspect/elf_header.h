// How every ELF file of ours begins.
#pragma once

#include <elf.h>

#include <cstring>

#include "harness/introspect/isa.h"

namespace ktrial::introspect {

// `type`: ET_CORE or ET_EXEC. Its tables are the caller's to name.
inline Elf64_Ehdr elf_header(const Isa& isa, Elf64_Half type) {
  Elf64_Ehdr out{};
  std::memcpy(out.e_ident, ELFMAG, SELFMAG);
  out.e_ident[EI_CLASS] = ELFCLASS64;
  out.e_ident[EI_DATA] = ELFDATA2LSB;
  out.e_ident[EI_VERSION] = EV_CURRENT;
  out.e_type = type;
  out.e_machine = isa.elf_machine;
  out.e_version = EV_CURRENT;
  out.e_ehsize = sizeof out;
  return out;
}

}  // namespace ktrial::introspect
