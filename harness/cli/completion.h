// Shell completion, made from the parser itself, so that it can't lag behind: commands, options and
// the values of those that have a fixed few; else files.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace ktrial::cli {

std::string bash_completion(const CLI::App& root);
// To be sourced, or a file `_ktrial` of $fpath.
std::string zsh_completion(const CLI::App& root);
std::string fish_completion(const CLI::App& root);

}  // namespace ktrial::cli
