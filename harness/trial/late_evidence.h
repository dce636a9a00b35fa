// After the wait for a guest has ended: what can still be learned before the machine
// goes. Nothing here decides anything.
#pragma once

#include <filesystem>

#include "harness/channel/channel.h"
#include "harness/trial/monitor.h"
#include "harness/trial/plan.h"
#include "harness/verdict/evidence.h"
#include "results/record.h"

namespace ktrial::trial {

struct Scene {
  const Plan& plan;
  Monitor& monitor;
  vm::Vm& vm;
  channel::Channel& channel;
  Observer& observer;
  std::filesystem::path artifacts;
  results::Facts& facts;  // of the trial's record
};

// What of the guest's memory can be read, as facts: introspection.PART = "yes", or why not.
void note_access(const Scene& scene, const std::vector<autopsy::Access>& access);

// Asks the guest for its kernel's counters; what comes goes into `into`.
void read_counters(const Scene& scene, std::map<std::string, std::uint64_t>& into);

// By what ended the wait (evidence.ending): counters and a clean power-off, an autopsy
// of a stall (autopsy.txt and kernel.log among the artifacts), the rest of a report, or
// why the machine ended. Failures to learn more are events, not errors.
void gather_late_evidence(const Scene& scene, verdict::Evidence& evidence);

}  // namespace ktrial::trial
