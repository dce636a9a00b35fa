#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "harness/introspect/stack.h"
#include "harness/introspect/x86_64/orc.h"

namespace ktrial::introspect::x86_64 {

// By the kernel's ORC tables; without them (built with frame pointers) by guessing.
std::unique_ptr<Unwinder> make_unwinder(const KernelView& kernel,
                                        const std::vector<Module>& modules);

}  // namespace ktrial::introspect::x86_64
