// The ORC tables of a kernel that has no symbols for them, by their shape.
#pragma once

#include <vector>

#include "harness/introspect/image.h"
#include "harness/introspect/symbols.h"

namespace ktrial::introspect::x86_64 {

// __start_orc_unwind_ip, __stop_orc_unwind_ip, __start_orc_unwind and _etext, or nothing.
std::vector<Symbol> find_orc_tables(const Image& image, const SymbolTable& symbols);

}  // namespace ktrial::introspect::x86_64
