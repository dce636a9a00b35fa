// For tests and fuzzers: the memory of a kernel that says as little of itself as can be.
#pragma once

#include "harness/introspect/fake_kernel.h"
#include "harness/introspect/fake_structures.h"

namespace ktrial::introspect {

// Without CONFIG_KALLSYMS_ALL: types, tasks, unwind tables, a module, the global trace and its
// events are there, but only functions have symbols.
struct FakeHidden {
  // Where modules are with KASLR, and where without it.
  static constexpr std::uint64_t kModules = 0xffffffffc0000000, kLowModules = 0xffffffffa0000000;
  static constexpr std::size_t kFunctions = 900;  // twice as many unwind entries

  explicit FakeHidden(std::uint64_t modules = kModules);

  FakeKernel kernel{0x1000000};
  std::vector<Symbol> functions;  // with types of nm(1)
  std::vector<Symbol> data;       // what has no symbol

 private:
  void add_functions();
  void add_types();
  void add_tasks();
  void add_module();
  void add_trace();
  void hide(const char* name, std::uint64_t address) { data.push_back({address, 'd', name, ""}); }
  void link(const std::vector<std::uint64_t>& nodes);
};

}  // namespace ktrial::introspect
