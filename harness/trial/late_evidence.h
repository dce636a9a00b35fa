// After the wait for a guest has ended: what can still be learned before the machine
// goes. Nothing here decides anything.
#pragma once

#include <map>
#include <string>

#include "harness/trial/scene.h"

namespace ktrial::trial {

// Asks the guest for its kernel's counters; what comes goes into `into`.
void read_counters(const Scene& scene, std::map<std::string, std::uint64_t>& into);

// By what ended the wait (evidence.ending): counters and a clean power-off, an autopsy
// of a stall (autopsy.txt and kernel.log among the artifacts), the rest of a report, or
// why the machine ended. Failures to learn more are events, not errors.
void gather_late_evidence(const Scene& scene);

}  // namespace ktrial::trial
