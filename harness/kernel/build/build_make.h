// One run of make on a kernel: its output goes into a log, line by line to a
// listener, and a stop request ends it so that the objects stay usable.
#pragma once

#include <filesystem>
#include <functional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "harness/base/result.h"

namespace ktrial::kernel {

struct MakeRun {
  std::vector<std::string> arguments;  // after `make`
  std::filesystem::path log;           // appended to
  std::filesystem::path objects;       // the folder of its targets, in the log's file system
  std::function<void(std::string_view line)> on_line = {};
  std::stop_token stop = {};
  int inherit = -1;  // a descriptor that make and all its children keep open
};

struct MakeOutcome {
  bool ok = false;
  bool stopped = false;  // by the stop request: neither ok nor failed
  bool killed = false;   // ... and not in order: there may be half an object
  std::string status;    // "exited with status 2"
  std::string tail;      // the last output, at most kMaxTail bytes
};
inline constexpr std::size_t kMaxTail = 256u << 10;

// Call from the main thread (see base/child.h). At a stop request the group gets
// SIGTERM, upon which make removes what is half made, and what a recipe writes later
// yet is removed here; what has not ended ten seconds later is killed. ErrorKind::environment when
// make is missing or the log cannot be written. That make failed or was stopped is no Error.
Result<MakeOutcome> run_make(const MakeRun& run);

// Why a failed make is no fault of the sources, with a hint: a tool or a header
// that is missing, a full disk, a compiler that was killed. Empty message: none
// found.
Error host_trouble(std::string_view output);

// The lines that say what did not compile, at most `limit`; else the last lines.
std::vector<std::string> error_lines(std::string_view output, std::size_t limit = 8);

}  // namespace ktrial::kernel
