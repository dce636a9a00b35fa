// A report's C program, made ready for the guest: compiled statically on this host, where it is
// never run.
#pragma once

#include <filesystem>
#include <stop_token>

#include "harness/base/result.h"
#include "harness/reproduce/experiment.h"

namespace ktrial::reproduce {

// The program, below `folder`, which is made. ErrorKind::environment: there is no compiler;
// ErrorKind::usage: it does not compile, with what the compiler says.
Result<std::filesystem::path> compile(const Program& program, const std::filesystem::path& folder,
                                      std::stop_token stop);

}  // namespace ktrial::reproduce
