// A night made, or gone on with: folder, store and disk around the night's decisions.
#pragma once

#include <functional>
#include <string>

#include "harness/campaign/assemble.h"
#include "harness/campaign/night.h"
#include "results/store/store.h"

namespace ktrial::campaign {

// What the screen shows.
struct Progress {
  const spec::Plan* plan = nullptr;
  const Scheduler* scheduler = nullptr;
  double used_s = 0;
  int pass = 0, fail = 0, inconclusive = 0, running = 0, running_vcpus = 0;
  std::map<std::string, int> signatures;
  std::optional<double> left_s;
};

struct SessionOptions {
  engine::Room room;
  int at_a_time = 0;
  double ahead = 1;               // jobs that are handed over, over those that there is room for
  std::string budget = {};        // that is new with this session; the plan has it already
  std::function<double()> clock;  // seconds, steady
  // Whether a cell can run at all; an error says why not. Unset: all can.
  std::function<Status(const run::Job&)> fits = {};
  std::function<int()> campaigns = {};  // that share the host, with this one; unset: one
  // A job is handed over: the engine's id for it, as nobody else hands it jobs.
  std::function<void(engine::JobId, const std::string& cell)> on_begin = {};
  // It is over; `text` is a line about it, empty for a pass.
  std::function<void(engine::JobId, const std::string& text)> on_end = {};
  std::function<void(const Progress&)> on_progress = {};
  std::function<void(const std::string&)> say = {};
};

struct SessionOutcome {
  results::CampaignRecord record;
  std::optional<Error> error;  // what ended it early; ErrorKind::interrupted: a signal
};

// `jobs`: of the plan's cells, in order. What the store has of this night counts: it may have been
// interrupted anywhere, and goes on from there.
Result<SessionOutcome> run_session(engine::Engine& engine, Folder& folder, results::Store& store,
                                   const spec::Plan& plan, const std::vector<run::Job>& jobs,
                                   const SessionOptions& options);

// What a night came to, by its records; the nights before it are those of its plan's name.
Result<results::CampaignRecord> load_campaign(const results::Store& store,
                                              const std::filesystem::path& directory);

// The jobs of a plan's cells, their kernels pinned as the story says. `base` has what they share:
// store, build options, working folder.
std::vector<run::Job> jobs_of(const spec::Plan& plan, const Story& story, const run::Job& base);
// What runs such a trial again: `ktrial run ...`.
std::vector<std::string> rerun(const spec::PlanCell& cell, const spec::PlanBuild& build);

}  // namespace ktrial::campaign
