// The setup header of a bzImage (vmlinuz): Documentation/arch/x86/boot.rst.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "harness/base/result.h"

namespace ktrial::kernel {

struct SetupHeader {
  std::string release;
  bool is_64bit = false;
};

// Whether `head`, a file's beginning, claims to have one, or was cut before it would.
bool has_setup_header(std::string_view head);
// `head`: at least the setup code, up to 64 KiB; `file_size` in bytes. ErrorKind::usage:
// truncated, older than Linux 3.8, without a version.
Result<SetupHeader> parse_setup_header(std::string_view head, std::uint64_t file_size);

// For readers of other images: the same complaint, and the same first word.
std::unexpected<Error> truncated(std::uint64_t need, std::uint64_t have);
std::string first_word(std::string_view text);
// Whether `what` stands at `offset`.
bool has_at(std::string_view bytes, std::size_t offset, std::string_view what);

}  // namespace ktrial::kernel
