// stdout and stderr for the commands. Unlike fmt::print() these never throw: a
// reader that went away (`ktrial trace | head`) must not end a trial, nor ktrial.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>

#include "harness/base/result.h"

namespace ktrial::cli {

// Writes all of it, or keeps what went wrong for finish_output().
void write_stdout(std::string_view text);
// Progress: what cannot be written is not missed.
void write_stderr(std::string_view text);

template <class... Args>
void to_stdout(fmt::format_string<Args...> format, Args&&... args) {
  write_stdout(fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void to_stderr(fmt::format_string<Args...> format, Args&&... args) {
  write_stderr(fmt::format(format, std::forward<Args>(args)...));
}

// To `file`, replaced in one step, or to stdout if it is empty or "-". What is no regular file
// (a pipe, /dev/stderr) is written to.
Status write_document(std::string_view document, const std::string& file);

// Descriptors 0 to 2 that the caller closed become /dev/null: a file that ktrial
// opens must not take the place of stdout. Before anything else.
void hold_standard_descriptors();

// Flushes stdout. An error (environment: a full disk) if any of it was lost; that a
// reader stopped reading is none.
Status finish_output();

}  // namespace ktrial::cli
