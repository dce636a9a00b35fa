// Modules come from packages and build trees: any bytes. Invariants: names are
// normalised and within the input's size; a prefix of a file never makes the
// reader see more than the whole.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "harness/guest_image/modinfo.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto info = ktrial::guest_image::read_modinfo(bytes);
  if (!info) {
    if (info.error().kind != ktrial::ErrorKind::usage || info.error().message.empty()) std::abort();
    return 0;
  }
  std::size_t total = info->name.size() + info->vermagic_release.size();
  for (const auto* names : {&info->depends, &info->pre_softdeps})
    for (const std::string& name : *names) {
      if (name.empty() || name.find('-') != std::string::npos) std::abort();
      total += name.size();
    }
  if (total > size) std::abort();
  return 0;
}
