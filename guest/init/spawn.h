// Starts one program, as the leader of its own session and process group.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "guest/wire/wire.h"

namespace ktrial::init {

struct Spawned {
  pid_t pid = -1;  // also its process group; reaped by the caller
  int error = 0;   // errno if it could not be started
  std::string problem;
  // Reading ends of its stdout, stderr and progress pipe (its descriptor 3);
  // non-blocking, owned by the caller. -1 if it was not started.
  int out = -1;
  int err = -1;
  int progress = -1;
};

// `cgroup_procs`: a descriptor of the cgroup.procs it shall enter, or -1.
//
// The child shares our memory until it executes (as with vfork): a copy of the
// page tables would write-protect the stacks of the beat threads, which would
// then have to fault, and wait for a lock that a wedged CPU may hold.
Spawned spawn(const wire::Run& run, int cgroup_procs);

// PATH, HOME and KTRIAL_PROGRESS_FD, then what the host gave, which wins.
std::vector<std::string> full_environment(const std::vector<std::string>& given);
// The file that `name` means: itself if it has a slash, else the first in PATH. Empty if there is
// none.
std::string find_program(const std::string& name, const std::vector<std::string>& environment);

}  // namespace ktrial::init
