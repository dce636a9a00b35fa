// A program of the host, packed for `ktrial run -- CMD`: the file, the
// interpreter of a script, the dynamic loader and the shared libraries, at the
// paths that they have on the host. Nothing else: no data files, no NSS or
// other plugins, no commands that a script calls.
#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include "harness/base/result.h"
#include "harness/guest_image/initramfs.h"

namespace ktrial::guest_image {

struct PackedProgram {
  std::string path;                // absolute, in the guest: what to execute
  std::vector<Entry> entries;      // for write_initramfs()
  std::vector<std::string> notes;  // for the user: what was not packed and may be missed
};

// `command` is looked up in PATH unless it has a '/'. Shared libraries are
// found by running the program's own dynamic loader with --list (as ldd does):
// only for programs that the user asked to run. ErrorKind::usage: not found,
// not executable, for another architecture, a missing library or interpreter
// (each is named), or a path that the guest mounts over (/proc, /sys, /dev).
Result<PackedProgram> pack_program(const std::string& command, std::stop_token stop = {});

}  // namespace ktrial::guest_image
