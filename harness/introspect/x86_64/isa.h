#pragma once

#include "harness/introspect/isa.h"

namespace ktrial::introspect::x86_64 {

extern const Isa kIsa;

}  // namespace ktrial::introspect::x86_64
