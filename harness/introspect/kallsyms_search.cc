#include "harness/introspect/kallsyms_search.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "harness/introspect/kallsyms.h"

namespace ktrial::introspect {

namespace {

using namespace std::string_view_literals;

// Tokens of the digits: every kernel has symbols with each of them, so each stands for itself.
constexpr std::string_view kDigits = "0\0001\0002\0003\0004\0005\0006\0007\0008\0009\0"sv;
constexpr std::size_t kTokens = 256, kFirstDigit = '0';
constexpr std::uint64_t kNamesPerMarker = 256;
// 255 names behind the last marker.
constexpr std::uint64_t kLongestTail = 64u << 10;

constexpr std::uint64_t kAlignment = 8;  // at most
std::uint64_t aligned(std::uint64_t address, std::uint64_t to = kAlignment) {
  return (address + to - 1) / to * to;
}

std::unexpected<Error> missing(const char* what) {
  return fail(ErrorKind::protocol, std::string("kallsyms: no ") + what + " in the kernel's memory",
              "a kernel without CONFIG_KALLSYMS has none");
}

// What a search may cost: a guest's memory can be made so that every place looks promising.
class Effort {
 public:
  // False: it has been enough.
  bool step() { return steps_ < kMost && ++steps_ != 0; }

 private:
  static constexpr std::uint64_t kMost = 1u << 28;  // a real kernel takes a few millions
  std::uint64_t steps_ = 0;
};

struct Tokens {
  std::uint64_t table, index_at;
  std::array<std::uint16_t, kTokens> index;
};

// Whether `out`, whose index is read, is the table that `begin` was read from.
bool is_index(const Image& image, const Tokens& out, std::span<const std::uint64_t> begin) {
  if (out.index[0] != 0) return false;
  for (std::size_t i = kFirstDigit; i < kTokens; ++i)
    if (out.index[i] != out.index[kFirstDigit] + begin[i - kFirstDigit]) return false;
  for (std::size_t i = 1; i <= kFirstDigit; ++i)
    if (out.index[i] <= out.index[i - 1] || image.value<char>(out.table + out.index[i] - 1) != '\0')
      return false;
  return true;
}

// `digits`: where token 48 may be.
std::optional<Tokens> tokens_at(const Image& image, std::uint64_t digits, Effort& effort) {
  // Where tokens 48 to 255 begin, from `digits` on, and where the table ends.
  std::array<std::uint64_t, kTokens - kFirstDigit + 1> begin{};
  std::uint64_t at = digits;
  for (std::size_t i = 0; i + 1 < begin.size(); ++i) {
    begin[i] = at - digits;
    for (;;) {
      const auto byte = image.value<char>(at++);
      if (!byte || at - digits > kLongestTokens || !effort.step()) return std::nullopt;
      if (*byte == 0) break;
    }
  }
  for (std::uint64_t index_at = aligned(at, 2); index_at < at + kAlignment; index_at += 2) {
    Tokens out{.table = 0, .index_at = index_at, .index = {}};
    const auto index = image.value<decltype(out.index)>(index_at);
    if (!index || (*index)[kFirstDigit] > digits) continue;
    out.index = *index;
    out.table = digits - out.index[kFirstDigit];
    if (is_index(image, out, begin)) return out;
  }
  return std::nullopt;
}

struct NamesAt {
  std::uint64_t count_at, at, end;
  std::uint32_t count;
};

// The end of `count` names from `at` on, if every 256th of them is where its marker says.
std::optional<std::uint64_t> walk_names(const Image& image, std::uint64_t at, std::uint32_t count,
                                        std::uint64_t markers, Effort& effort) {
  std::uint64_t here = at;
  for (std::uint32_t i = 0; i < count; ++i) {
    if (i % kNamesPerMarker == 0 &&
        image.value<std::uint32_t>(markers + i / kNamesPerMarker * 4) != here - at)
      return std::nullopt;
    const auto first = image.value<std::uint8_t>(here++);
    if (!first || *first == 0 || !effort.step()) return std::nullopt;
    std::uint64_t length = *first;
    if ((length & 0x80) != 0) {
      const auto second = image.value<std::uint8_t>(here++);
      if (!second) return std::nullopt;
      length = (length & 0x7f) | std::uint64_t{*second} << 7;
    }
    here += length;
  }
  return here;
}

// The names in front of `count` markers that begin at `markers`.
std::optional<NamesAt> names_before(const Image& image, std::uint64_t markers, std::uint64_t count,
                                    Effort& effort) {
  const auto last = image.value<std::uint32_t>(markers + (count - 1) * 4);
  if (!last || *last >= kLongestNames || *last + 8 > markers) return std::nullopt;
  std::uint64_t count_at = (markers - *last) & ~3ull;
  for (std::uint64_t tail = 0; tail < kLongestTail && count_at > 4; tail += 4) {
    count_at -= 4;
    const auto number = image.value<std::uint32_t>(count_at);
    if (!number || !effort.step()) return std::nullopt;
    if (*number <= (count - 1) * kNamesPerMarker || *number > count * kNamesPerMarker) continue;
    for (const std::uint64_t at : {count_at + 4, count_at + 8}) {
      const auto end = walk_names(image, at, *number, markers, effort);
      if (end && *end <= markers) return NamesAt{count_at, at, *end, *number};
    }
  }
  return std::nullopt;
}

// How many numbers that end at `end` grow from 0 on, as markers do; 0: none.
std::uint64_t markers_before(const Image& image, std::uint64_t end, Effort& effort) {
  std::uint32_t above = UINT32_MAX;
  for (std::uint64_t count = 0; count * kNamesPerMarker < kMostSymbols; ++count) {
    const auto marker = image.value<std::uint32_t>(end - (count + 1) * 4);
    if (!marker || *marker >= above || !effort.step()) return 0;
    above = *marker;
    if (above == 0) return count + 1;
  }
  return 0;
}

// The markers end in front of the token table; from 6.2 to 6.3, and where that was ported to
// older kernels, kallsyms_seqs_of_names stands between: three bytes a name.
std::optional<NamesAt> find_names(const Image& image, std::uint64_t token_table, Effort& effort) {
  const std::uint64_t last = token_table & ~3ull, furthest = 3 * kMostSymbols;
  for (std::uint64_t gap = 0; gap < std::min(last, furthest); gap += 4)
    if (const auto count = markers_before(image, last - gap, effort);
        count >= (gap < kAlignment ? 1 : 2))
      if (auto names = names_before(image, last - gap - count * 4, count, effort)) return names;
  return std::nullopt;
}

// The offsets at `at`, decoded with this base.
Result<std::vector<Symbol>> decode_at(const Image& image, const Tokens& tokens,
                                      const NamesAt& names, std::uint64_t at, std::uint64_t base_at,
                                      std::span<const Symbol> known) {
  const auto bytes = image.at(at, 4ull * names.count);
  const auto text = image.at(names.at, names.end - names.at);
  const auto table = image.at(tokens.table, tokens.index_at - tokens.table);
  if (!bytes || !text || !table) return missing("kallsyms_offsets");
  std::vector<std::uint32_t> offsets(names.count);
  std::memcpy(offsets.data(), bytes->data(), bytes->size());
  return decode_kallsyms(
      {*text, *table, tokens.index, offsets, at, image.value<std::uint64_t>(base_at)}, known);
}

}  // namespace

Result<std::vector<Symbol>> search_kallsyms(const Image& image, std::span<const Symbol> known) {
  Effort effort;
  std::optional<Tokens> tokens;
  image.find(kDigits,
             [&](std::uint64_t at) { return (tokens = tokens_at(image, at, effort)).has_value(); });
  if (!tokens) return missing("kallsyms_token_table");
  const auto names = find_names(image, tokens->table, effort);
  if (!names) return missing("kallsyms_names");
  const std::uint64_t size = 4ull * names->count;
  const std::uint64_t base = names->count_at - 8, behind = tokens->index_at + 2 * kTokens;
  auto found = decode_at(image, *tokens, *names, base - aligned(size), base, known);
  for (const std::uint64_t alignment : {kAlignment, kAlignment / 2})
    if (const std::uint64_t at = aligned(behind, alignment); !found)
      found = decode_at(image, *tokens, *names, at, aligned(at + size), known);
  return found;
}

}  // namespace ktrial::introspect
