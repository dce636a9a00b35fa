// A .config out of fragments, by the kernel's own tools, and the proof that it has
// what was asked for.
#pragma once

#include <filesystem>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "harness/base/result.h"

namespace ktrial::kernel {

struct ConfigRequest {
  std::filesystem::path source;                  // a Linux source tree
  std::filesystem::path objects;                 // O=
  std::vector<std::filesystem::path> fragments;  // a later one overrides
  // What the fragments change. Unset: nothing but what they ask for, and its
  // defaults (allnoconfig).
  std::optional<std::filesystem::path> base;
  std::vector<std::string> make_arguments;  // CC=...
  std::filesystem::path log;
  std::stop_token stop = {};
  int inherit = -1;  // see build_make.h
};

// Writes OBJECTS/.config: scripts/kconfig/merge_config.sh -m, then `make
// allnoconfig` with the result as KCONFIG_ALLCONFIG, or `make olddefconfig` on a
// base. ErrorKind::usage if an option was not granted: the message names each
// with its fragment, line, and unmet dependency. Otherwise ErrorKind::environment.
Status make_config(const ConfigRequest& request);

}  // namespace ktrial::kernel
