#include "harness/introspect/symbols.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace ktrial::introspect {

namespace {
bool is_global(const Symbol& symbol) {
  return std::isupper(static_cast<unsigned char>(symbol.type));
}
// No function is larger; an address further past the last symbol belongs to nothing.
constexpr std::uint64_t kFarthest = 1u << 20;
}  // namespace

SymbolTable::SymbolTable(std::vector<Symbol> symbols) : symbols_(std::move(symbols)) {
  std::stable_sort(symbols_.begin(), symbols_.end(),
                   [](const Symbol& a, const Symbol& b) { return a.address < b.address; });
  by_name_.reserve(symbols_.size());
  for (std::size_t i = 0; i < symbols_.size(); ++i) {
    auto [it, added] = by_name_.try_emplace(symbols_[i].name, i);
    if (!added && is_global(symbols_[i]) && !is_global(symbols_[it->second])) it->second = i;
  }
}

std::optional<std::uint64_t> SymbolTable::address(std::string_view name) const {
  auto it = by_name_.find(name);
  if (it == by_name_.end()) return std::nullopt;
  return symbols_[it->second].address;
}

std::optional<SymbolTable::Place> SymbolTable::find(std::uint64_t address) const {
  auto next = std::upper_bound(symbols_.begin(), symbols_.end(), address,
                               [](std::uint64_t a, const Symbol& s) { return a < s.address; });
  if (next == symbols_.begin()) return std::nullopt;
  auto it = std::prev(next);
  // Of several at one address the first, as the kernel's own get_symbol_pos() does.
  while (it != symbols_.begin() && std::prev(it)->address == it->address) --it;
  const std::uint64_t offset = address - it->address;
  if (offset >= kFarthest) return std::nullopt;
  return Place{&*it, offset, next == symbols_.end() ? 0 : next->address - it->address};
}

std::string SymbolTable::describe(std::uint64_t address) const {
  auto place = find(address);
  if (!place) return fmt::format("{:#x}", address);
  return fmt::format("{}+{:#x}/{:#x}{}", place->symbol->name, place->offset, place->size,
                     place->symbol->module.empty() ? "" : " [" + place->symbol->module + "]");
}

std::string SymbolTable::function(std::uint64_t address) const {
  auto place = find(address);
  return place ? place->symbol->name : "";
}

}  // namespace ktrial::introspect
