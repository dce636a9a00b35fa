// THE MAIN LOOP: one trial, from a plan to a record.
#pragma once

#include "harness/trial/context.h"
#include "harness/trial/plan.h"
#include "harness/vm/template_store.h"
#include "results/record.h"

namespace ktrial::trial {

// `artifacts` is an existing folder for what the trial leaves behind besides
// the logs that the observer writes. An Error means that no trial took place. `from`: it does not
// boot, but goes on from there.
Result<results::TrialRecord> run_trial(const TrialContext& context, const Plan& plan,
                                       const std::filesystem::path& artifacts,
                                       const vm::TemplateStore::Lease* from = nullptr);
// Whether the copy that this trial was to run on never spoke: nothing was judged.
bool never_woke(const results::TrialRecord& record);

}  // namespace ktrial::trial
