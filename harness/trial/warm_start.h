// Trials that do not boot: copies of a machine that was stopped when its agent had said hello.
#pragma once

#include <string>

#include "harness/trial/context.h"
#include "harness/trial/plan.h"
#include "harness/vm/template_store.h"

namespace ktrial::trial {

// What the trials of a plan need for it.
struct WarmStart {
  vm::TemplateStore store;
  std::string key;
  std::string given_up;  // why no further trial starts warm; empty: they do
  double made_in_s = 0;  // the template, if it was made since the last trial: a machine's time, too
};

// Whether it is worth it, or was asked for; `of_many`: trials of this machine.
bool wants_warm_start(const spec::TrialSpec& spec, int of_many);
inline constexpr int kWorthATemplate = 3;  // trials: the first one costs a boot and some

// Sets plan.warm, or says in plan.start_reason why its trials boot; an error where they must not.
// The plan is whole otherwise.
Status plan_warm_start(Plan& plan, const vm::TemplateStore::Options& store);

// The plan's template; made, if it is not there. Waits for another that makes it.
Result<vm::TemplateStore::Lease> take_template(const TrialContext& context, const Plan& plan);

// What a copy is told, as its first word: a fresh seed, or `seed` (hex), and the time.
struct Awakening {
  wire::Resume message;
  std::string seed;  // hex
};
Awakening awakening(const std::string& seed, channel::Kind channel);

}  // namespace ktrial::trial
