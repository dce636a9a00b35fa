// A helper program run to its end: apt-get, ld.so, git. Blocking, without a
// shell, stdin from /dev/null. Long-lived children (QEMU, daemons) are not for
// this. The child has a process group of its own, so that nothing of it is
// left when we give up; it therefore does not see a terminal's Ctrl-C: pass
// `stop` where the user may wait. When ktrial is killed it gets SIGTERM. Call it
// from the main thread (child.h says why).
#pragma once

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "harness/base/result.h"

namespace ktrial {

struct CommandOptions {
  std::chrono::milliseconds timeout{std::chrono::minutes(10)};
  std::size_t max_output = 64u << 20;    // bytes, each of stdout and stderr; the rest is dropped
  std::filesystem::path directory = {};  // empty: ours
  // Set in addition to our own environment. LC_ALL=C always is, so that
  // messages can be understood by programs.
  std::vector<std::pair<std::string, std::string>> environment = {};
  std::stop_token stop = {};
};

struct CommandOutput {
  int exit_status = 0;  // valid when signal is 0
  int signal = 0;       // that ended the command
  std::string out;
  std::string err;
  bool truncated = false;  // more than max_output came

  bool ok() const { return signal == 0 && exit_status == 0; }
};

// An Error when argv[0] (looked up in PATH) cannot be started, at the timeout
// and at a stop request (ErrorKind::interrupted): the group is killed and
// reaped then. A command that ran and failed is a CommandOutput.
Result<CommandOutput> run_command(const std::vector<std::string>& argv,
                                  const CommandOptions& options = {});

// Our own environment with these set, as "NAME=value".
std::vector<std::string> environment_with(
    const std::vector<std::pair<std::string, std::string>>& set);

}  // namespace ktrial
