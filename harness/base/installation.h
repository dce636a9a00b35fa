// Where the running program's parts lie: bin/, share/ktrial/ and libexec/ktrial/ are below one
// folder, in a build tree as after `cmake --install`.
#pragma once

#include <filesystem>
#include <system_error>

namespace ktrial {

// That folder; empty if the kernel does not tell.
inline std::filesystem::path installation() {
  std::error_code error;
  return std::filesystem::read_symlink("/proc/self/exe", error).parent_path().parent_path();
}

// The host's programs that nobody calls by hand, and QEMU's plugins.
inline std::filesystem::path host_programs() { return installation() / "libexec" / "ktrial"; }

}  // namespace ktrial
