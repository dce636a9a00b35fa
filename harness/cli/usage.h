// What is wrong with a command line, in words that name the culprit.
#pragma once

#include <CLI/CLI.hpp>

#include "harness/base/error.h"

namespace ktrial::cli {

// An empty value is refused (but for --append): it comes from a script's unset variable, and
// the option's default would put another kernel on trial than was meant.
void refuse_empty_values(CLI::App& app);

// For `error`, thrown by `app.parse()`: an unknown command or option with its nearest
// neighbour, else what CLI11 says, and where to read on. ErrorKind::usage.
Error usage_problem(const CLI::App& app, const CLI::ParseError& error);

}  // namespace ktrial::cli
