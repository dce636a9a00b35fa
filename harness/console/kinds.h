// How bad each family of kernel reports is. The families themselves: results/kind.h.
#pragma once

#include "results/kind.h"

namespace ktrial::console {

using results::Kind;
// The kind of that name, e.g. for a list in a spec.
using results::kind_named;

// Want of memory, a dead network card: the kernel may well be right to say so. They
// are told, but fail nothing unless somebody asks.
bool is_note(Kind);
// From here on a report is of work that stopped; below, the kernel only complains.
inline constexpr int kStopsWork = 50;
// Greater is worse: panic > oops > memory corruption > hard lockup > soft lockup and RCU stall >
// workqueue lockup > hung task > warning > lockdep > the rest. 0: no report of a kernel.
int severity_of(Kind);

}  // namespace ktrial::console
