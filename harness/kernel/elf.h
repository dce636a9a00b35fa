// A bounds-checked look at 64-bit little-endian ELF files (vmlinux, modules,
// host programs). Format: ELF-64 Object File Format 1.5 and <elf.h>. Views
// point into the caller's bytes. Errors are ErrorKind::usage and name no file:
// add it with Error::in().
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "harness/base/result.h"

namespace ktrial::kernel {

struct ElfHeader {
  std::uint16_t type = 0;     // ET_*
  std::uint16_t machine = 0;  // EM_*
  bool is_64bit_little_endian = false;
  std::uint64_t program_offset = 0, section_offset = 0;  // bytes
  std::uint16_t program_count = 0, section_count = 0, section_names_index = 0;
};
struct ElfSegment {
  std::uint32_t type = 0;  // PT_*
  std::uint64_t offset = 0, file_size = 0;
};
struct ElfNote {
  std::string_view name;
  std::uint32_t type = 0;
  std::string_view description;
};

bool is_elf(std::string_view bytes);
// Any class and byte order, so that a file for another machine can be named as
// such; the offsets are filled in for 64-bit little-endian files alone.
Result<ElfHeader> read_elf_header(std::string_view bytes);
// "AArch64" and so on, for messages.
std::string machine_name(std::uint16_t machine);

// Segments whose headers lie within `bytes`; their content need not.
Result<std::vector<ElfSegment>> read_segments(const ElfHeader& header, std::string_view bytes);
// The content of the first section of that name; nullopt when there is none.
Result<std::optional<std::string_view>> find_section(const ElfHeader& header,
                                                     std::string_view bytes, std::string_view name);
// Notes up to the first malformed one.
std::vector<ElfNote> read_notes(std::string_view content);

}  // namespace ktrial::kernel
