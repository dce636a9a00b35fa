// Programs of a newer Debian, made to run here. The tools in a kbuild package (modpost,
// objtool) are built for the release that the kernel is packaged for, and may ask for
// symbols of a glibc that this machine does not have ("GLIBC_2.38"). That release's libc6,
// unpacked beside them, can run them: glibc's loader takes its library path as an argument.
#pragma once

#include <filesystem>
#include <string_view>
#include <vector>

#include "harness/base/result.h"

namespace ktrial::kernel {

// A glibc, 2.MINOR.
int this_machines_glibc();
// The highest that the bytes of a program ask for; 0: none, or no ELF file.
int wanted_glibc(std::string_view program);

// The programs below `folder` that want a glibc above `minor`. Links are not followed.
Result<std::vector<std::filesystem::path>> programs_above(const std::filesystem::path& folder,
                                                          int minor);

// Puts a script in the place of each program, which runs it (now PROGRAM.elf) with the loader
// of the libc6 that was unpacked to `libc`; what else it needs comes from this machine. The
// script finds both by their places relative to its own, so that all may be moved together.
Status run_with_libc(const std::vector<std::filesystem::path>& programs,
                     const std::filesystem::path& libc);

}  // namespace ktrial::kernel
