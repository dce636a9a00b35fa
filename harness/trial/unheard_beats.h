// Whether a guest whose beats did not come had made them: then its channel was silent, not a CPU.
#pragma once

#include <cstdint>
#include <map>

#include "harness/trace/history.h"

namespace ktrial::trial {

// By CPU: for how long after the last beat that came its beating thread went on to sleep and wake,
// seconds by the guest's clock. `heard`: uptime of the last beat that came, ns. `history` has its
// times by a clock that starts with the kernel. CPUs without such a thread in it are left out.
std::map<unsigned, double> unheard_beats(const trace::History& history,
                                         const std::map<unsigned, std::uint64_t>& heard);

}  // namespace ktrial::trial
