// A night: trials of a plan's cells, one job each, handed to an engine as the scheduler says.
// Decides and counts; what is kept is the business of who called.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "harness/campaign/scheduler.h"
#include "harness/engine/engine.h"

namespace ktrial::campaign {

// What became of one job.
struct Part {
  std::uint64_t job = 0;  // of this session, from 1
  std::size_t cell = 0;
  std::optional<results::RunRecord> run;
  std::string problem;  // why it is not whole; empty: it is
  bool cancelled = false;
};

struct NightHooks {
  // Seconds of the night so far, steady.
  std::function<double()> now;
  // Before the job is handed over; an error ends the night (what runs is finished).
  std::function<Status(std::uint64_t job, std::size_t cell)> begin = {};
  std::function<Status(const Part&)> end = {};
  // It counted before: a job of a session that was killed, which the engine took up. Unset: none.
  std::function<bool(const std::string& run)> known = {};
  double cold_share = 0;  // of a cell's jobs: their trials boot, whatever the spec has
  std::map<std::string, int> begun = {};  // jobs of a cell, in sessions before
};

// Blocks until no cell gets more. An error: ErrorKind::interrupted when the engine cancels (a
// signal), what a hook said, or what keeps every job from its work (a full disk).
Status run_night(engine::Engine& engine, const std::vector<run::Job>& cells, Scheduler& scheduler,
                 const NightHooks& hooks);

// The `nth` job (from 0) of one trial that is run again and again. Where trials are resumed,
// `share` of them boot, spread evenly. A deterministic one has the next seed: the same would say
// nothing.
run::Job nth_job(run::Job job, int nth, double share);

// What a record says to the scheduler.
Came came_of(const results::RunRecord& run);

}  // namespace ktrial::campaign
