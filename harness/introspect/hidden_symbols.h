// Data that a kernel without CONFIG_KALLSYMS_ALL has no symbols for, found by its shape.
#pragma once

#include <vector>

#include "harness/introspect/image.h"
#include "harness/introspect/symbols.h"

namespace ktrial::introspect {

// Those that the readers of this folder and of harness/trace ask for, as far as they were
// found: __start_BTF, __stop_BTF, init_task, _etext, __start_orc_unwind_ip,
// __stop_orc_unwind_ip, __start_orc_unwind, modules, global_trace and ftrace_events.
std::vector<Symbol> find_hidden_symbols(const PageTables& tables, const Image& image,
                                        const SymbolTable& symbols);

}  // namespace ktrial::introspect
