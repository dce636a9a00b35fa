// The guest's memory as an autopsy reads it.
#pragma once

#include <filesystem>
#include <memory>

#include "harness/autopsy/examine.h"

namespace ktrial::autopsy {

// Opens a paused guest's kernel. `cache_dir`: where symbols are kept, see introspect::Kernel.
// The error says why nothing can be read: no Linux kernel, or an early one.
Result<std::unique_ptr<Inspector>> make_inspector(vm::GuestRam ram,
                                                  const std::filesystem::path& cache_dir);

}  // namespace ktrial::autopsy
