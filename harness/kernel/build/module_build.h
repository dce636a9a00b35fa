// A kernel module of ours built against the kernel on trial, with the host's
// compiler, and kept below CACHE/modules by what it was made from: its source,
// the kernel's image, the compiler. A cached one costs no build.
#pragma once

#include <filesystem>
#include <string>

#include "harness/base/result.h"
#include "harness/kernel/kernel.h"

namespace ktrial::kernel {

struct BuiltModule {
  std::filesystem::path file;  // the .ko
  std::string
      note;  // for people; says so if the kernel was built by another compiler. May be empty
};

// `source` is a folder with a Kbuild file that makes NAME.ko. What its file `from-kernel` lists, a
// path of the kernel's sources each line ("kernel/rcu/rcu.h"), is copied below it first
// ("rcu/rcu.h"). May download headers and sources, see headers.h and sources.h.
// ErrorKind::environment when it cannot be built here (no headers, no make, no compiler, the build
// fails): the message says why.
Result<BuiltModule> build_module(const Kernel& kernel, const std::filesystem::path& source,
                                 const std::string& name, const ResolveOptions& options);

}  // namespace ktrial::kernel
