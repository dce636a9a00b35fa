// Where the running program's parts lie: bin/, share/ktrial/ and libexec/ktrial/ are below one
// folder, in a build tree as after `cmake --install`.
#pragma once

#include <filesystem>
#include <system_error>

#include "harness/base/result.h"

namespace ktrial {

inline Result<std::filesystem::path> this_program() {
  std::error_code error;
  auto program = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return fail_errno("readlink /proc/self/exe", error.value());
  return program;
}

// That folder; empty if the kernel does not tell.
inline std::filesystem::path installation() {
  return this_program().value_or("").parent_path().parent_path();
}

// The host's programs that nobody calls by hand, and QEMU's plugins.
inline std::filesystem::path host_programs() { return installation() / "libexec" / "ktrial"; }

}  // namespace ktrial
