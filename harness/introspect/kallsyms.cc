#include "harness/introspect/kallsyms.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "harness/introspect/vmcoreinfo.h"

namespace ktrial::introspect {

namespace {

// Generous bounds of what is believed: Debian's kernel has 170,000 symbols, 2 MiB
// of compressed names, 5 MiB of expanded ones.
constexpr std::size_t kLongestName = 1024;  // KSYM_NAME_LEN is 512
constexpr std::size_t kMostCharacters = 128u << 20;

std::unexpected<Error> broken(std::string what) {
  return fail(ErrorKind::protocol, "kallsyms: " + std::move(what));
}

// The 256 tokens, each up to its NUL or the end of the table.
Result<std::array<std::string_view, 256>> split_tokens(const KallsymsTables& tables) {
  std::array<std::string_view, 256> out;
  if (tables.index.size() != out.size()) return broken("the token index has not 256 entries");
  const std::string_view all(reinterpret_cast<const char*>(tables.tokens.data()),
                             tables.tokens.size());
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (tables.index[i] >= all.size())
      return broken(fmt::format("token {} lies outside the token table", i));
    out[i] = all.substr(tables.index[i]);
    out[i] = out[i].substr(0, out[i].find('\0'));
  }
  return out;
}

// Reads one name after the other.
class Names {
 public:
  Names(std::span<const std::byte> bytes, const std::array<std::string_view, 256>& tokens)
      : bytes_(bytes), tokens_(tokens) {}

  Result<std::string> next() {
    std::size_t length = KTRIAL_TRY(byte());
    if ((length & 0x80) != 0) length = (length & 0x7f) | std::size_t{KTRIAL_TRY(byte())} << 7;
    if (length > bytes_.size() - at_) return broken("a name runs past the end of the names");
    std::string out;
    for (; length > 0; --length) {
      out += tokens_[std::to_integer<unsigned char>(bytes_[at_++])];
      if (out.size() > kLongestName) return broken("a name is too long to be one");
    }
    return out;
  }

 private:
  Result<unsigned char> byte() {
    if (at_ == bytes_.size()) return broken("fewer names than symbols");
    return std::to_integer<unsigned char>(bytes_[at_++]);
  }

  std::span<const std::byte> bytes_;
  const std::array<std::string_view, 256>& tokens_;
  std::size_t at_ = 0;
};

enum class Encoding { base_relative, absolute_per_cpu, place_relative };

std::uint64_t address_of(const KallsymsTables& tables, std::size_t i, Encoding encoding) {
  const std::uint32_t offset = tables.offsets[i];
  const auto value = static_cast<std::uint64_t>(std::int64_t{static_cast<std::int32_t>(offset)});
  const std::uint64_t base = tables.relative_base.value_or(0);
  switch (encoding) {
    case Encoding::base_relative:
      return base + offset;
    case Encoding::absolute_per_cpu:
      return offset >> 31 == 0 ? value : base - 1 - value;
    case Encoding::place_relative:
      return tables.offsets_at + 4 * i + value;
  }
  std::abort();
}

// How well an encoding fits.
struct Fit {
  Encoding encoding;
  std::size_t agreeing = 0;      // symbols that are where others say
  std::size_t out_of_order = 0;  // symbols below the one before
};

// `known_at`: what is known of the symbol of this number.
Fit fit_of(const KallsymsTables& tables, Encoding encoding,
           const std::vector<std::pair<std::size_t, std::uint64_t>>& known_at) {
  Fit fit{encoding};
  std::uint64_t before = 0;
  for (std::size_t i = 0; i < tables.offsets.size(); ++i) {
    const std::uint64_t address = address_of(tables, i, encoding);
    fit.out_of_order += address < before;
    before = address;
  }
  for (const auto& [i, address] : known_at)
    fit.agreeing += address_of(tables, i, encoding) == address;
  return fit;
}

Result<Encoding> choose_encoding(const KallsymsTables& tables, const std::vector<Symbol>& symbols,
                                 std::span<const Symbol> known) {
  std::unordered_map<std::string_view, std::uint64_t> places;
  for (const Symbol& one : known) places.emplace(one.name, one.address);
  std::vector<std::pair<std::size_t, std::uint64_t>> known_at;
  for (std::size_t i = 0; i < symbols.size() && !places.empty(); ++i)
    if (const auto it = places.find(symbols[i].name); it != places.end())
      known_at.emplace_back(i, it->second);
  std::vector<Fit> fits;
  if (tables.relative_base)
    for (const Encoding one : {Encoding::base_relative, Encoding::absolute_per_cpu})
      fits.push_back(fit_of(tables, one, known_at));
  fits.push_back(fit_of(tables, Encoding::place_relative, known_at));
  const Fit best = *std::ranges::min_element(fits, {}, [](const Fit& fit) {
    return std::pair(-static_cast<std::int64_t>(fit.agreeing), fit.out_of_order);
  });
  // Not all: a name may occur more than once. Not one: symbols that share an address agree
  // with the table of their neighbour, too.
  if (2 * best.agreeing < known_at.size())
    return broken(fmt::format("its offsets put {} of {} known symbols where they are",
                              best.agreeing, known_at.size()));
  if (best.out_of_order > symbols.size() / 64)
    return broken("its offsets are in no known encoding: the symbols would be out of order");
  return best.encoding;
}

// The bytes between two symbols of VMCOREINFO.
Result<std::vector<std::byte>> bytes_between(const AddressSpace& space, std::uint64_t begin,
                                             std::uint64_t end, std::uint64_t limit) {
  if (end <= begin || end - begin > limit)
    return broken(fmt::format("a table from {:#x} to {:#x} cannot be", begin, end));
  std::vector<std::byte> out(end - begin);
  KTRIAL_TRY(space.read(begin, out));
  return out;
}

}  // namespace

Result<std::vector<Symbol>> decode_kallsyms(const KallsymsTables& tables,
                                            std::span<const Symbol> known) {
  const auto tokens = KTRIAL_TRY(split_tokens(tables));
  if (tables.offsets.size() > kMostSymbols) return broken("too many symbols to be true");
  std::vector<Symbol> out;
  Names names(tables.names, tokens);
  std::size_t characters = 0;
  for (std::size_t i = 0; i < tables.offsets.size(); ++i) {
    std::string name = KTRIAL_TRY(names.next());
    characters += name.size();
    if (characters > kMostCharacters) return broken("too long to be true");
    if (name.size() < 2) return broken("a symbol without a name");
    const char type = name.front();
    name.erase(0, 1);
    out.push_back({0, type, std::move(name), ""});
  }
  const Encoding encoding = KTRIAL_TRY(choose_encoding(tables, out, known));
  for (std::size_t i = 0; i < out.size(); ++i) out[i].address = address_of(tables, i, encoding);
  return out;
}

Result<std::uint32_t> kallsyms_count(const AddressSpace& space, const VmCoreInfo& info) {
  const std::uint64_t at = KTRIAL_TRY(info.symbol("kallsyms_num_syms"));
  const auto count = KTRIAL_TRY(read_value<std::uint32_t>(space, at));
  if (count == 0 || count > kMostSymbols) return broken(fmt::format("{} symbols cannot be", count));
  return count;
}

Result<std::vector<Symbol>> read_kallsyms(const AddressSpace& space, const VmCoreInfo& info) {
  auto first = info.symbol("kallsyms_names");
  if (!first)
    first.error().hint = "kernels before 6.0 or without CONFIG_KALLSYMS do not tell their symbols";
  const std::uint64_t names_at = KTRIAL_TRY(std::move(first));
  const std::uint64_t tokens_at = KTRIAL_TRY(info.symbol("kallsyms_token_table"));
  const std::uint64_t index_at = KTRIAL_TRY(info.symbol("kallsyms_token_index"));
  const std::uint64_t offsets_at = KTRIAL_TRY(info.symbol("kallsyms_offsets"));
  const std::uint32_t count = KTRIAL_TRY(kallsyms_count(space, info));

  // The linker keeps the order of scripts/kallsyms.c: names, markers, tokens, index.
  const auto names = KTRIAL_TRY(bytes_between(space, names_at, tokens_at, kLongestNames));
  const auto tokens = KTRIAL_TRY(bytes_between(space, tokens_at, index_at, kLongestTokens));
  std::array<std::uint16_t, 256> index;
  KTRIAL_TRY(space.read(index_at, std::as_writable_bytes(std::span(index))));
  std::vector<std::uint32_t> offsets(count);
  KTRIAL_TRY(space.read(offsets_at, std::as_writable_bytes(std::span(offsets))));
  std::optional<std::uint64_t> base;
  if (const auto base_at = info.symbol("kallsyms_relative_base"))  // none since 7.0
    base = KTRIAL_TRY(read_value<std::uint64_t>(space, *base_at));
  return decode_kallsyms({names, tokens, index, offsets, offsets_at, base}, info.symbols());
}

}  // namespace ktrial::introspect
