// The processors whose guests can be read.
#pragma once

#include <span>

#include "harness/introspect/isa.h"

namespace ktrial::introspect {

// Never empty. The first is that of a guest whose memory does not tell.
std::span<const Isa* const> isas();

}  // namespace ktrial::introspect
