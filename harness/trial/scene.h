// One trial under way: the one bundle that its steps work on.
#pragma once

#include <filesystem>
#include <vector>

#include "harness/autopsy/autopsy.h"
#include "harness/autopsy/examine.h"
#include "harness/channel/channel.h"
#include "harness/trial/context.h"
#include "harness/trial/monitor.h"
#include "harness/trial/plan.h"
#include "harness/verdict/evidence.h"
#include "harness/vm/vm.h"
#include "results/record.h"

namespace ktrial::trial {

// The kernel's trace, as far as this trial has it in its folder.
struct KeptTrace {
  std::size_t events = 0;
  results::TraceStory story;
};

struct Scene {
  const Plan& plan;
  const TrialContext& context;
  std::filesystem::path artifacts;
  Monitor& monitor;
  vm::Vm& vm;
  channel::Channel& channel;
  // What the steps find out.
  verdict::Evidence& evidence;
  results::TrialRecord& record;
  KeptTrace& trace;
  autopsy::LooksSoFar& looks;  // at vCPUs, while a beat was late
};

// What of the guest's memory can be read, as facts: introspection.PART = "yes", or why not.
inline void note_access(const Scene& scene, const std::vector<autopsy::Access>& access) {
  for (const autopsy::Access& one : access)
    scene.record.facts.emplace_back("introspection." + one.part,
                                    one.trouble.empty() ? "yes" : one.trouble);
}

}  // namespace ktrial::trial
