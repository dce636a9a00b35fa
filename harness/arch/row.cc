#include "harness/arch/row.h"

#include <algorithm>

namespace ktrial::arch {

const Machine* Arch::machine(std::string_view machine_name) const {
  if (machine_name.empty()) return &machines.front();
  const auto found = std::ranges::find(machines, machine_name, &Machine::name);
  return found == machines.end() ? nullptr : &*found;
}

}  // namespace ktrial::arch
