// Which functions of the kernel are infrastructure, by where its source defines them.
#pragma once

#include <string_view>

namespace ktrial::console {

enum InfrastructureClass : unsigned {
  kHelper = 1,     // helpers, locks, allocation, reporting code
  kStall = 2,      // what a timer interrupt runs
  kWait = 4,       // how a task waits
  kAllocator = 8,  // who allocates on behalf of somebody
  kTrap = 16,      // of the helpers, what a trap runs before it is told
};
// Bits of the above; 0 for any other function. Leading underscores make no difference.
unsigned infrastructure_of(std::string_view symbol);

}  // namespace ktrial::console
