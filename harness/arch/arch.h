// The table of the guests' processor architectures.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "harness/arch/row.h"

namespace ktrial::arch {

// Never empty; they live as long as the program.
std::span<const Arch* const> all();
// The host's own, and that of a guest of which nothing says otherwise.
const Arch& native();
// Null: none.
const Arch* of_elf(std::uint16_t elf_machine);
const Arch* of_image(ImageKind kind);

// "x86_64", "arm64, x86_64" and so on, for messages.
std::string names();
std::vector<std::string> machine_names();  // of all, each once

// Behind all(): a test adds a row (fake_arch.h); nobody else has business here.
std::vector<const Arch*>& rows();

}  // namespace ktrial::arch
