#include "harness/introspect/modules.h"

#include <elf.h>

#include <unordered_set>

namespace ktrial::introspect {

namespace {

constexpr std::size_t kNameLength = 56;             // MODULE_NAME_LEN on 64-bit
constexpr std::size_t kMaxModuleSymbols = 1 << 16;  // of one module
constexpr std::size_t kSymbolLength = 512;

Result<Module> read_module(const KernelView& kernel, std::uint64_t address) {
  const Btf& btf = kernel.btf;
  Module module{.address = address};
  module.name = KTRIAL_TRY(
      read_string(kernel.memory, address + KTRIAL_TRY(btf.offset("module", "name")), kNameLength));
  // Since 6.4 an array of memory areas whose first is the text; before, one core area.
  if (btf.has("module", "mem")) {
    const std::uint64_t mem = address + KTRIAL_TRY(btf.offset("module", "mem"));
    module.text = KTRIAL_TRY(kernel.pointer(mem, "module_memory", "base"));
    module.text_size = KTRIAL_TRY(read_value<std::uint32_t>(
        kernel.memory, mem + KTRIAL_TRY(btf.offset("module_memory", "size"))));
  } else {
    const std::uint64_t core = address + KTRIAL_TRY(btf.offset("module", "core_layout"));
    module.text = KTRIAL_TRY(kernel.pointer(core, "module_layout", "base"));
    module.text_size = KTRIAL_TRY(read_value<std::uint32_t>(
        kernel.memory, core + KTRIAL_TRY(btf.offset("module_layout", "text_size"))));
  }
  return module;
}

// Calls `use` with each struct module until it fails.
template <class Use>
Status each_module(const KernelView& kernel, const Use& use) {
  const std::uint64_t head = KTRIAL_TRY(kernel.symbol("modules"));
  const std::uint64_t list = KTRIAL_TRY(kernel.btf.offset("module", "list"));
  std::unordered_set<std::uint64_t> seen;
  std::uint64_t node = KTRIAL_TRY(read_value<std::uint64_t>(kernel.memory, head));
  while (node != head && seen.size() < kMaxModules && seen.insert(node).second) {
    KTRIAL_TRY(use(node - list));
    node = KTRIAL_TRY(read_value<std::uint64_t>(kernel.memory, node));
  }
  return {};
}

// kernel/module/kallsyms.c: the table of a live module is in struct mod_kallsyms.
Status add_symbols(const KernelView& kernel, std::uint64_t address, std::vector<Symbol>& out) {
  const Btf& btf = kernel.btf;
  const Module module = KTRIAL_TRY(read_module(kernel, address));
  const std::uint64_t table = KTRIAL_TRY(kernel.pointer(address, "module", "kallsyms"));
  const std::uint64_t symtab = KTRIAL_TRY(kernel.pointer(table, "mod_kallsyms", "symtab"));
  const std::uint64_t strtab = KTRIAL_TRY(kernel.pointer(table, "mod_kallsyms", "strtab"));
  const std::uint64_t count = KTRIAL_TRY(read_value<std::uint32_t>(
      kernel.memory, table + KTRIAL_TRY(btf.offset("mod_kallsyms", "num_symtab"))));
  for (std::uint64_t i = 1; i < std::min<std::uint64_t>(count, kMaxModuleSymbols); ++i) {
    const auto symbol =
        KTRIAL_TRY(read_value<Elf64_Sym>(kernel.memory, symtab + i * sizeof(Elf64_Sym)));
    // The kernel overwrites st_info with nm's letter in some versions: go by the address.
    if (symbol.st_value < module.text || symbol.st_value - module.text >= module.text_size)
      continue;
    auto name = KTRIAL_TRY(read_string(kernel.memory, strtab + symbol.st_name, kSymbolLength));
    if (name.empty() || name.starts_with("__pfx_") || name.starts_with("$")) continue;
    out.push_back({symbol.st_value, 't', std::move(name), module.name});
  }
  return {};
}

}  // namespace

Result<std::vector<Module>> read_modules(const KernelView& kernel) {
  std::vector<Module> out;
  auto walked = each_module(kernel, [&](std::uint64_t address) -> Status {
    out.push_back(KTRIAL_TRY(read_module(kernel, address)));
    return {};
  });
  if (!walked && out.empty()) return std::unexpected(walked.error());
  return out;
}

std::vector<Symbol> read_module_symbols(const KernelView& kernel) {
  std::vector<Symbol> out;
  (void)each_module(kernel, [&](std::uint64_t address) -> Status {
    (void)add_symbols(kernel, address, out);  // a half-loaded module has no table yet
    return {};
  });
  return out;
}

SymbolTable symbols_with_modules(const KernelView& kernel) {
  std::vector<Symbol> all = kernel.symbols.all();
  const auto more = read_module_symbols(kernel);
  all.insert(all.end(), more.begin(), more.end());
  return SymbolTable(std::move(all));
}

}  // namespace ktrial::introspect
