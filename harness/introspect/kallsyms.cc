#include "harness/introspect/kallsyms.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "harness/introspect/vmcoreinfo.h"

namespace ktrial::introspect {

namespace {

// Generous bounds of what is believed: Debian's kernel has 170,000 symbols, 2 MiB
// of compressed names, 5 MiB of expanded ones.
constexpr std::uint32_t kMostSymbols = 2u << 20;
constexpr std::uint64_t kLongestNames = 64u << 20;
constexpr std::uint64_t kLongestTokens = 64u << 10;
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

bool is_absolute_per_cpu(std::span<const std::uint32_t> offsets) {
  const auto negative = std::count_if(offsets.begin(), offsets.end(),
                                      [](std::uint32_t offset) { return offset >> 31 != 0; });
  // Base relative, a kernel would have to be larger than 2 GiB for even one.
  return static_cast<std::size_t>(negative) > offsets.size() / 2;
}

std::uint64_t address_of(std::uint32_t offset, std::uint64_t base, bool absolute_per_cpu) {
  if (!absolute_per_cpu) return base + offset;
  const auto value = static_cast<std::int64_t>(static_cast<std::int32_t>(offset));
  return value >= 0 ? static_cast<std::uint64_t>(value)
                    : base - 1 - static_cast<std::uint64_t>(value);
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

Result<std::vector<Symbol>> decode_kallsyms(const KallsymsTables& tables) {
  const auto tokens = KTRIAL_TRY(split_tokens(tables));
  const bool absolute_per_cpu = is_absolute_per_cpu(tables.offsets);
  if (tables.offsets.size() > kMostSymbols) return broken("too many symbols to be true");
  std::vector<Symbol> out;
  Names names(tables.names, tokens);
  std::size_t characters = 0;
  for (const std::uint32_t offset : tables.offsets) {
    std::string name = KTRIAL_TRY(names.next());
    characters += name.size();
    if (characters > kMostCharacters) return broken("too long to be true");
    if (name.size() < 2) return broken("a symbol without a name");
    const char type = name.front();
    name.erase(0, 1);
    out.push_back(
        {address_of(offset, tables.relative_base, absolute_per_cpu), type, std::move(name), ""});
  }
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
  const std::uint64_t base_at = KTRIAL_TRY(info.symbol("kallsyms_relative_base"));
  const std::uint32_t count = KTRIAL_TRY(kallsyms_count(space, info));

  // The linker keeps the order of scripts/kallsyms.c: names, markers, tokens, index.
  const auto names = KTRIAL_TRY(bytes_between(space, names_at, tokens_at, kLongestNames));
  const auto tokens = KTRIAL_TRY(bytes_between(space, tokens_at, index_at, kLongestTokens));
  std::array<std::uint16_t, 256> index;
  KTRIAL_TRY(space.read(index_at, std::as_writable_bytes(std::span(index))));
  std::vector<std::uint32_t> offsets(count);
  KTRIAL_TRY(space.read(offsets_at, std::as_writable_bytes(std::span(offsets))));
  const auto base = KTRIAL_TRY(read_value<std::uint64_t>(space, base_at));
  return decode_kallsyms({names, tokens, index, offsets, base});
}

}  // namespace ktrial::introspect
