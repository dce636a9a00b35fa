#include "harness/introspect/x86_64/orc_search.h"

#include <algorithm>
#include <cstring>

namespace ktrial::introspect::x86_64 {

namespace {
constexpr std::uint64_t kLargestImage = 1ull << 30;  // bytes, KERNEL_IMAGE_SIZE with KASLR
constexpr std::size_t kFewestUnwound = 1000;         // entries of the smallest kernel
constexpr std::uint64_t kLastFunction = 4096;        // no longer than that
}  // namespace

// .orc_unwind_ip: numbers that, each added to its own place, are ascending addresses of
// code, of .init.text too, which is freed after boot. The longest run of them. Then comes
// .orc_unwind.
std::vector<Symbol> find_orc_tables(const Image& image, const SymbolTable& symbols) {
  const auto text = symbols.address("_stext");
  if (!text) return {};
  std::uint64_t longest = 0, run = 0, end = 0;
  for (const Image::Piece& piece : image.pieces()) {
    std::uint64_t before = 0;
    for (std::size_t i = 0; i + 4 <= piece.bytes.size(); i += 4) {
      std::int32_t relative;
      std::memcpy(&relative, piece.bytes.data() + i, sizeof relative);
      const std::uint64_t at = piece.begin + i;
      const std::uint64_t ip = at + static_cast<std::uint64_t>(std::int64_t{relative});
      const bool is_text = ip >= *text && ip < *text + kLargestImage && relative != 0;
      run = is_text ? (ip >= before ? run + 1 : 1) : 0;
      before = is_text ? ip : 0;
      if (run > longest) {
        longest = run;
        end = at + 4;
      }
    }
  }
  if (longest < kFewestUnwound) return {};
  // It lies in .rodata: between .text and .init.text.
  std::uint64_t last = *text;
  for (const Symbol& symbol : symbols.all())
    if (symbol.address < end) last = std::max(last, symbol.address);
  return {{end - 4 * longest, 'd', "__start_orc_unwind_ip", ""},
          {end, 'd', "__stop_orc_unwind_ip", ""},
          {end, 'd', "__start_orc_unwind", ""},
          {last + kLastFunction, 'd', "_etext", ""}};
}

}  // namespace ktrial::introspect::x86_64
