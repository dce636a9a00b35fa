// A kernel's names and call frames as an ELF file, for debuggers: what a vmlinux would give them
// but for types and lines. Addresses are those of this boot, KASLR applied.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "harness/introspect/isa.h"
#include "harness/introspect/symbols.h"

namespace ktrial::introspect {

// `call_frames`: a .debug_frame section; may be empty.
std::string symbol_file(const Isa& isa, const SymbolTable& symbols, const std::string& call_frames);

}  // namespace ktrial::introspect
