#include "harness/arch/arch.h"

#include <algorithm>

#include "harness/arch/x86_64.h"

namespace ktrial::arch {

std::vector<const Arch*>& rows() {
  static std::vector<const Arch*> table = {&x86_64()};
  return table;
}

std::span<const Arch* const> all() { return rows(); }

const Arch& native() { return *rows().front(); }

const Arch* of_elf(std::uint16_t elf_machine) {
  const auto found = std::ranges::find(rows(), elf_machine, &Arch::elf_machine);
  return found == rows().end() ? nullptr : *found;
}

const Arch* of_image(ImageKind kind) {
  const auto found = std::ranges::find(rows(), kind, &Arch::image);
  return found == rows().end() ? nullptr : *found;
}

std::string names() {
  std::string out;
  for (const Arch* row : all()) out += (out.empty() ? "" : ", ") + row->name;
  return out;
}

std::vector<std::string> machine_names() {
  std::vector<std::string> out;
  for (const Arch* row : all())
    for (const Machine& machine : row->machines)
      if (std::ranges::find(out, machine.name) == out.end()) out.push_back(machine.name);
  return out;
}

}  // namespace ktrial::arch
