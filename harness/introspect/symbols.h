// The kernel's symbols: names to run-time addresses and back.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace ktrial::introspect {

struct Symbol {
  std::uint64_t address = 0;
  char type = 't';  // nm(1)'s letter, as in /proc/kallsyms
  std::string name;
  std::string module;  // empty: the kernel image
  bool operator==(const Symbol&) const = default;
};

class SymbolTable {
 public:
  SymbolTable() = default;
  explicit SymbolTable(std::vector<Symbol> symbols);

  // Of a name that occurs more than once, the first global (upper-case type), else the first.
  std::optional<std::uint64_t> address(std::string_view name) const;

  struct Place {
    const Symbol* symbol;
    std::uint64_t offset;
    std::uint64_t size;  // to the next symbol; 0: the last one
  };
  // The symbol that covers `address`; nothing below the first or far past the last.
  std::optional<Place> find(std::uint64_t address) const;
  // "mm_get_cid+0x55/0x90 [module]", as %pS prints it; "0x..." when there is none.
  std::string describe(std::uint64_t address) const;
  // "mm_get_cid", or "" when there is none.
  std::string function(std::uint64_t address) const;

  const std::vector<Symbol>& all() const { return symbols_; }  // by address

 private:
  std::vector<Symbol> symbols_;
  std::unordered_map<std::string_view, std::size_t> by_name_;  // into symbols_'s strings
};

}  // namespace ktrial::introspect
