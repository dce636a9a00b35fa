// The machines of a plan: the one that boots, the one that is kept as a template, its copies.
#pragma once

#include "harness/trial/monitor.h"
#include "harness/trial/plan.h"
#include "harness/vm/template_store.h"
#include "harness/vm/vm.h"

namespace ktrial::trial {

Limits limits_of(const Plan& plan);
// Of a boot; one that will be tried `again` is given up sooner when its console is silent.
Limits limits_of_boot(const Plan& plan, bool again);

vm::VmConfig cold_machine(const Plan& plan, const channel::Channel& channel);
// Boots up to the agent's hello, where it waits. Its channel is virtio-serial, which can be saved.
vm::VmConfig template_machine(const Plan& plan, const channel::Channel& parking,
                              const vm::SavedState& keep);
vm::VmConfig warm_machine(const Plan& plan, const channel::Channel& channel,
                          const vm::SavedState& from);

}  // namespace ktrial::trial
