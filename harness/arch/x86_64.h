#pragma once

#include "harness/arch/row.h"

namespace ktrial::arch {

const Arch& x86_64();

}  // namespace ktrial::arch
