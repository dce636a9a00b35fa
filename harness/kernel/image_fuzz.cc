// An image file is whatever the user names. Invariants: an accepted header has
// a printable release that lies within the file, and shortening the file by
// more than the header's rounding makes it refused.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "harness/kernel/setup_header.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto info = ktrial::kernel::parse_setup_header(bytes, size);
  if (!info) {
    if (info.error().kind != ktrial::ErrorKind::usage || info.error().message.empty()) std::abort();
    return 0;
  }
  if (info->release.empty() || bytes.find(info->release) == bytes.npos) std::abort();
  for (char c : info->release)
    if (c <= ' ' || c >= 127) std::abort();
  return 0;
}
