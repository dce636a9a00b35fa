// Data that a kernel without CONFIG_KALLSYMS_ALL has no symbols for, found by its shape.
#pragma once

#include <vector>

#include "harness/introspect/image.h"
#include "harness/introspect/isa.h"
#include "harness/introspect/symbols.h"

namespace ktrial::introspect {

// Those that the readers of this folder and of harness/trace ask for, as far as they were
// found: __start_BTF, __stop_BTF, init_task, modules, global_trace, ftrace_events, and the
// unwinder's.
std::vector<Symbol> find_hidden_symbols(const Isa& isa, const PageTables& tables,
                                        const Image& image, const SymbolTable& symbols);

}  // namespace ktrial::introspect
