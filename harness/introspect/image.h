// The bytes of the kernel's image in RAM, text to bss, for those who search in it for what
// no symbol leads to.
#pragma once

#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "harness/introspect/page_tables.h"

namespace ktrial::introspect {

class Image {
 public:
  // All that is mapped of `area`, where images of this processor are; at most 256 MiB.
  static Image read(const PageTables& tables, Range area);

  struct Piece {
    std::uint64_t begin;
    std::vector<std::byte> bytes;
    std::uint64_t end() const { return begin + bytes.size(); }
  };
  const std::vector<Piece>& pieces() const { return pieces_; }

  // So many bytes at `address`; nothing if they are not all in one piece.
  std::optional<std::span<const std::byte>> at(std::uint64_t address, std::size_t size) const;
  template <class T>
  std::optional<T> value(std::uint64_t address) const {
    const auto bytes = at(address, sizeof(T));
    if (!bytes) return std::nullopt;
    T out;
    std::memcpy(&out, bytes->data(), sizeof out);
    return out;
  }
  // Where `what` stands, in ascending order, until `use` returns true.
  bool find(std::string_view what, const std::function<bool(std::uint64_t)>& use) const;

 private:
  std::vector<Piece> pieces_;
};

}  // namespace ktrial::introspect
