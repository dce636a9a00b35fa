// Loaded modules and their symbols.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "harness/introspect/kernel_view.h"

namespace ktrial::introspect {

struct Module {
  std::string name;
  std::uint64_t address = 0;              // of its struct module
  std::uint64_t text = 0, text_size = 0;  // bytes
};

// Broken list: what was read until then. At most kMaxModules.
inline constexpr std::size_t kMaxModules = 4096;
Result<std::vector<Module>> read_modules(const KernelView& kernel);
// The functions of all modules, each with its module's name.
std::vector<Symbol> read_module_symbols(const KernelView& kernel);
// Those of the image, and these.
SymbolTable symbols_with_modules(const KernelView& kernel);

}  // namespace ktrial::introspect
