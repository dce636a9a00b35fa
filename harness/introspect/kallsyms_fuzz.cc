// Invariants over tables of any content: an error, or as many symbols as offsets,
// each with a name of sane length; and what is packed for the cache comes out again.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "harness/introspect/kallsyms.h"
#include "harness/introspect/symbol_cache.h"

namespace {

void check(bool ok) {
  if (!ok) std::abort();
}

// The input in pieces: takes up to `most` bytes off its front.
std::span<const std::byte> take(std::span<const std::byte>& rest, std::size_t most) {
  const auto out = rest.first(std::min(most, rest.size()));
  rest = rest.subspan(out.size());
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ktrial::introspect;
  auto rest = std::as_bytes(std::span(data, size));
  std::array<std::uint16_t, 256> index{};
  const auto index_bytes = take(rest, 32);  // the other entries are like these
  for (std::size_t i = 0; i + 1 < 512 && !index_bytes.empty(); ++i)
    reinterpret_cast<std::byte*>(index.data())[i] =
        i % 2 == 0 ? index_bytes[i / 2 % index_bytes.size()] : std::byte{0};
  const auto tokens = take(rest, 256);
  const auto offset_bytes = take(rest, 64);
  std::vector<std::uint32_t> offsets(offset_bytes.size() / 4);
  if (!offsets.empty()) std::memcpy(offsets.data(), offset_bytes.data(), offsets.size() * 4);

  const std::optional<std::uint64_t> base =
      size % 2 == 0 ? std::optional(0xffffffff81000000) : std::nullopt;
  const auto symbols =
      decode_kallsyms({rest, tokens, index, offsets, 0xffffffff82000000, base}, {});
  if (!symbols) return 0;
  check(symbols->size() == offsets.size());
  for (const Symbol& symbol : *symbols) check(!symbol.name.empty() && symbol.name.size() <= 1024);
  const auto again = unpack_symbols(pack_symbols(*symbols, 0x1000000), 0x1000000);
  check(again && again->size() == symbols->size());
  for (std::size_t i = 0; i < again->size(); ++i)
    check((*again)[i].name == (*symbols)[i].name && (*again)[i].type == (*symbols)[i].type);
  check(!unpack_symbols({reinterpret_cast<const char*>(data), size}, 0) || size >= 32);
  return 0;
}
