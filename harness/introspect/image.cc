#include "harness/introspect/image.h"

#include <algorithm>
#include <cstring>

namespace ktrial::introspect {

namespace {
constexpr std::uint64_t kMost = 256u << 20, kPiece = 64u << 10;
}  // namespace

Image Image::read(const PageTables& tables, Range area) {
  Image out;
  std::uint64_t left = kMost;
  for (const Range& range : tables.mapped(area.begin, area.end)) {
    bool whole = false;  // the last piece goes on here
    for (std::uint64_t at = range.begin; at < range.end && left > 0;) {
      const std::uint64_t size = std::min({kPiece, left, range.end - at});
      if (!whole) out.pieces_.push_back({at, {}});
      auto& bytes = out.pieces_.back().bytes;
      bytes.resize(bytes.size() + size);
      whole = tables.read(at, std::span(bytes).last(size)).has_value();
      if (!whole) bytes.resize(bytes.size() - size);
      at += size;
      left -= size;
    }
  }
  return out;
}

std::optional<std::span<const std::byte>> Image::at(std::uint64_t address, std::size_t size) const {
  for (const Piece& piece : pieces_)
    if (address >= piece.begin && address < piece.end() && size <= piece.end() - address)
      return std::span(piece.bytes).subspan(address - piece.begin, size);
  return std::nullopt;
}

bool Image::find(std::string_view what, const std::function<bool(std::uint64_t)>& use) const {
  for (const Piece& piece : pieces_) {
    const std::byte* from = piece.bytes.data();
    const std::byte* const end = from + piece.bytes.size();
    while (auto* hit = static_cast<const std::byte*>(
               ::memmem(from, static_cast<std::size_t>(end - from), what.data(), what.size()))) {
      if (use(piece.begin + static_cast<std::uint64_t>(hit - piece.bytes.data()))) return true;
      from = hit + 1;
    }
  }
  return false;
}

}  // namespace ktrial::introspect
