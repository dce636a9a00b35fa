// For the tests on real guests: tasks and stacks read from RAM against the guest's /proc.
#pragma once

#include <string>

#include "harness/introspect/kernel.h"

namespace ktrial::introspect {

// `symbols`: the kernel's own, or fewer. `stats`: lines of /proc/PID/stat; `stacks`: "#TID",
// then the lines of /proc/TID/stack.
void check_tasks(const Kernel& kernel, const SymbolTable& symbols, const std::string& stats,
                 const std::string& stacks);

}  // namespace ktrial::introspect
