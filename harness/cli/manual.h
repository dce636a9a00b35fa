// Manual pages, made from the parser and its help: nothing is said twice, so neither can lag
// behind.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace ktrial::cli {

// "ktrial campaign run": a command with those above it, joined by `separator`.
std::string path_of(const CLI::App& command, const std::string& separator = " ");

// The page of a command, in the man macros of troff; all that `--help` tells is in it.
std::string manual_page(const CLI::App& command);

}  // namespace ktrial::cli
