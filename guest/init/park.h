// A guest that is kept as a template waits here, ready for a workload, until the host that resumed
// a copy of it says who this copy is: which random numbers, what time, which channel.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "guest/init/channel.h"
#include "guest/wire/wire.h"

namespace ktrial::init {

// ktrial.park on the kernel command line.
bool wants_to_park(const std::string& command_line);

// Does once, for nothing, what each copy does first: its kernel then has at hand what it would have
// to make for it. `program`: ends at once.
void rehearse(const std::string& program);

// Says hello on `control` and waits for Resume, however long; in between nothing moves. Nothing,
// with `problem` set, when the stream ends or makes no sense.
std::optional<wire::Resume> park(int control, const std::string& command_line,
                                 std::string& problem);

// Copies are not twins: the kernel's random numbers and its wall clock become this one's own. What
// could not be done, a line each.
std::vector<std::string> become_oneself(const wire::Resume& resume);

// Where the streams go that `resume` names.
ChannelOptions channel_of(const wire::Resume& resume);

}  // namespace ktrial::init
