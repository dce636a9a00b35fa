// What leads into the memory of a machine that is held: symbols, types, tasks.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <vector>

#include "harness/base/result.h"
#include "harness/introspect/btf.h"
#include "harness/introspect/symbols.h"
#include "harness/vm/vm.h"

namespace ktrial::bundle {

// The kernel's symbols in a machine that is held, and what else of its memory is asked for.
struct Map {
  introspect::SymbolTable symbols;
  vm::Exact::Tasks tasks;                   // empty: not to be had
  std::vector<std::uint64_t> per_cpu = {};  // what is added to a per-CPU variable's address
  std::shared_ptr<const introspect::Btf> types = {};         // null: the kernel has none
  std::map<std::uint64_t, std::uint64_t> task_structs = {};  // by PID: their addresses
};
Result<Map> map_of(vm::Vm& vm, unsigned cpus, std::uint64_t memory_mib,
                   std::chrono::milliseconds patience, const std::filesystem::path& cache);

}  // namespace ktrial::bundle
