#include "harness/introspect/kernel.h"

#include <fmt/format.h>

#include "harness/introspect/hidden_symbols.h"
#include "harness/introspect/isas.h"
#include "harness/introspect/kallsyms.h"
#include "harness/introspect/kallsyms_search.h"
#include "harness/introspect/symbol_cache.h"

namespace ktrial::introspect {

namespace {
constexpr std::uint64_t kLongestBtf = 64u << 20;  // Debian's is 5 MiB

// Without CONFIG_KALLSYMS_ALL there are those of functions only.
SymbolTable with_hidden(const Isa& isa, const PageTables& tables, std::vector<Symbol> symbols) {
  SymbolTable table(std::move(symbols));
  if (table.address("init_task")) return table;
  const auto hidden = find_hidden_symbols(isa, tables, Image::read(tables, isa.image), table);
  if (hidden.empty()) return table;
  std::vector<Symbol> all = table.all();
  all.insert(all.end(), hidden.begin(), hidden.end());
  return SymbolTable(std::move(all));
}
}  // namespace

Result<std::unique_ptr<Kernel>> Kernel::open(std::shared_ptr<const PhysicalMemory> memory,
                                             const std::filesystem::path& cache_dir) {
  std::unique_ptr<PageTables> tables;
  const Isa* isa = nullptr;
  // Only page tables that map themselves tell the true note from its look-alikes.
  auto has_tables = [&](const VmCoreInfo& info) {
    for (const Isa* candidate : isas())
      if (auto found = candidate->page_tables(memory, info)) {
        tables = std::move(*found);
        isa = candidate;
        return true;
      }
    return false;
  };
  VmCoreInfo info = KTRIAL_TRY(find_vmcoreinfo(*memory, has_tables));
  std::unique_ptr<Kernel> kernel(new Kernel(*isa, memory, std::move(info), std::move(tables)));
  auto symbols = kernel->find_symbols(cache_dir);
  if (symbols)
    kernel->symbols_ = with_hidden(*isa, *kernel->tables_, std::move(*symbols));
  else
    kernel->symbols_error_ = std::move(symbols).error();
  return kernel;
}

Result<std::vector<Symbol>> Kernel::find_symbols(const std::filesystem::path& cache_dir) const {
  const bool told = info_.symbol("kallsyms_names").has_value();  // since 6.0
  const bool use_cache = !cache_dir.empty() && !info_.build_id().empty();
  if (use_cache) {
    auto cached = load_symbols(cache_dir, info_.build_id(), info_.kernel_offset());
    if (cached && (!told || cached->size() == KTRIAL_TRY(kallsyms_count(*this, info_))))
      return std::move(*cached);
  }
  auto symbols =
      KTRIAL_TRY(told ? read_kallsyms(*this, info_)
                      : search_kallsyms(Image::read(*tables_, isa_->image), info_.symbols()));
  // An unwritable cache is no reason to lose an autopsy.
  if (use_cache) (void)save_symbols(cache_dir, info_.build_id(), symbols, info_.kernel_offset());
  return symbols;
}

Result<std::string> Kernel::btf_bytes() const {
  const auto begin = symbols_.address("__start_BTF"), end = symbols_.address("__stop_BTF");
  if (!begin || !end)
    return fail(ErrorKind::protocol,
                fmt::format("kernel {} carries no BTF (CONFIG_DEBUG_INFO_BTF)", info_.release()));
  if (*end <= *begin || *end - *begin > kLongestBtf)
    return fail(ErrorKind::protocol, fmt::format("kernel {}: BTF from {:#x} to {:#x} cannot be",
                                                 info_.release(), *begin, *end));
  std::string out(*end - *begin, '\0');
  KTRIAL_TRY(read(*begin, std::as_writable_bytes(std::span(out))));
  return out;
}

}  // namespace ktrial::introspect
