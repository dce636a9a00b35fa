// Which process makes a run, told apart from a later one with the same pid.
#pragma once

#include <cstdint>
#include <string>

#include "results/store/json.h"

namespace ktrial::results {

struct Owner {
  std::string host, boot_id;
  std::int64_t pid = 0;
  std::uint64_t start_ticks = 0;  // since boot, proc_pid_stat(5) field 22
};

Owner this_process();
// False only when it is known: the process has ended, or the host was rebooted.
// A process on another host cannot be judged and counts as alive.
bool may_be_alive(const Owner& owner);

Json to_json(const Owner& owner);
Owner owner_from_json(const Json& json);

}  // namespace ktrial::results
