// A shell in a guest, on the user's terminal. It is a trial like any other, whose command is the
// shell: a kernel that hangs under one's hands is seen, looked at and kept.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "harness/base/result.h"
#include "harness/run/event.h"
#include "harness/run/job.h"

namespace ktrial::interactive {

struct ShellEnd {
  int exit_status = 0;        // the shell's own
  bool left = false;          // by the escape: the machine was ended
  results::RunRecord record;  // what the kernel did meanwhile
};

// Blocks. job.spec: no command is the user's login shell in the guest; no root is the host's.
// `sink` is told all up to the shell's first byte, and what the kernel reports.
Result<ShellEnd> run_shell(run::Job job, const run::Sink& sink);

// One more terminal into the guest of such a run, while that runs: a new shell, or the one that
// somebody left. `left`: the shell goes on.
struct Visit {
  int exit_status = 0;
  bool left = false;
};
Result<Visit> join_shell(const std::filesystem::path& run_folder,
                         const std::function<void(const std::string&)>& say);

}  // namespace ktrial::interactive
