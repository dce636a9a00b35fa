// Violations put into the log that was read: each must be found. So it is shown,
// in a real guest, that a broken kernel would not pass.
#pragma once

#include <string>
#include <vector>

#include "workloads/nmi-backtrace/kmsg.h"

namespace ktrial::workload {

std::vector<std::string> plant_names();  // "none" first
// The lines, with the violation if they hold what it takes. Sequence numbers
// stay dense.
std::vector<KmsgLine> planted(std::vector<KmsgLine> lines, const std::string& name);

}  // namespace ktrial::workload
