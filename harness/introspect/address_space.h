// Kernel virtual memory of a stopped guest, as every reader of this folder sees
// it. All content is untrusted: the guest may be the very thing that is broken.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <type_traits>

#include "harness/base/result.h"

namespace ktrial::introspect {

class AddressSpace {
 public:
  virtual ~AddressSpace() = default;
  // Exactly out.size() bytes at kernel virtual `address`; an error when any of
  // them is not mapped or lies outside RAM. Never allocates guest memory.
  virtual Status read(std::uint64_t address, std::span<std::byte> out) const = 0;
};

template <class T>
  requires std::is_trivially_copyable_v<T>
Result<T> read_value(const AddressSpace& space, std::uint64_t address) {
  T value;
  KTRIAL_TRY(space.read(address, std::as_writable_bytes(std::span(&value, 1))));
  return value;
}

// The bytes before the first NUL, at most `limit` of them.
Result<std::string> read_string(const AddressSpace& space, std::uint64_t address,
                                std::size_t limit);

}  // namespace ktrial::introspect
