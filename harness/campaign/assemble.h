// From the records of a night's trials, and the nights before, to what it came to. Pure.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "harness/campaign/folder.h"
#include "harness/campaign/standing.h"
#include "harness/spec/plan.h"
#include "results/campaign.h"

namespace ktrial::campaign {

// What counts of one trial.
struct TrialFact {
  std::size_t cell = 0;
  std::string run;
  int index = 0;
  results::Verdict verdict;
  results::TimePoint started_at{};
  double duration_s = 0, boot_s = 0;
  bool warm = false;               // it did not boot
  double prepared_s = 0;           // just before it: a template was made
  results::Counters numbers = {};  // that its workload told
};
// For this trial, just before it; 0: there was one, or it booted.
double made_template_s(const results::TrialRecord& trial);
// Those of a run; none of a trial that was interrupted: who ended it judged nothing.
std::vector<TrialFact> facts_of(const results::RunRecord& run, std::size_t cell);

struct Night {
  std::string id, plan_file;
  results::RunState state = results::RunState::running;
  results::TimePoint started_at{};
  std::optional<results::TimePoint> finished_at;
  double used_s = 0;
  int cores = 1;
  std::vector<TrialFact> trials;
  std::vector<std::string> lost;
  std::string today;  // "2027-06-30"
};

Seen seen_of(const spec::Plan& plan, const Night& night);
// `earlier`: the nights of the same plan before this one, oldest first.
results::CampaignRecord assemble(const spec::Plan& plan, const Night& night,
                                 std::span<const NightFile> earlier);
NightFile to_file(const results::CampaignRecord& record, const Seen& seen);

// vCPU-seconds of `cores` that machines had: of more vCPUs than cores at a time, the cores.
double busy_s(const spec::Plan& plan, std::span<const TrialFact> trials, int cores);

}  // namespace ktrial::campaign
