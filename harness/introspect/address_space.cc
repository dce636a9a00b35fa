#include "harness/introspect/address_space.h"

#include <algorithm>

namespace ktrial::introspect {

Result<std::string> read_string(const AddressSpace& space, std::uint64_t address,
                                std::size_t limit) {
  constexpr std::size_t kPage = 4096;
  std::string out;
  while (out.size() < limit) {
    // Never across a page: what follows the string need not be mapped.
    const std::uint64_t at = address + out.size();
    char part[kPage];
    const std::size_t n = std::min<std::size_t>(limit - out.size(), kPage - at % kPage);
    KTRIAL_TRY(space.read(at, std::as_writable_bytes(std::span(part, n))));
    const char* end = static_cast<const char*>(std::memchr(part, 0, n));
    out.append(part, end ? static_cast<std::size_t>(end - part) : n);
    if (end) break;
  }
  return out;
}

}  // namespace ktrial::introspect
