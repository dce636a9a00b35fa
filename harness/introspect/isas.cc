#include "harness/introspect/isas.h"

#include <array>

#include "harness/introspect/x86_64/isa.h"

namespace ktrial::introspect {

std::span<const Isa* const> isas() {
  static constexpr std::array<const Isa*, 1> kIsas = {&x86_64::kIsa};
  return kIsas;
}

}  // namespace ktrial::introspect
