// Loaded modules: their symbols, and where their unwind tables are.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "harness/introspect/kernel_view.h"

namespace ktrial::introspect {

struct Module {
  std::string name;
  std::uint64_t text = 0, text_size = 0;  // bytes
  // ORC tables; entries == 0: none.
  std::uint64_t orc_ips = 0, orc_entries = 0, orc_count = 0;
};

// Broken list: what was read until then. At most kMaxModules.
inline constexpr std::size_t kMaxModules = 4096;
Result<std::vector<Module>> read_modules(const KernelView& kernel);
// The functions of all modules, each with its module's name.
std::vector<Symbol> read_module_symbols(const KernelView& kernel);

}  // namespace ktrial::introspect
