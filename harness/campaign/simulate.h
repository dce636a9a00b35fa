// Nights that never were: how well the scheduler uses them, and how true is what they are told to
// say. Pure, in virtual time, deterministic.
#pragma once

#include <string>

#include "harness/campaign/scheduler.h"

namespace ktrial::campaign {

struct SimulateOptions {
  int nights = 100;
  int cells = 200;
  double budget_s = 8 * 3600;
  int cores = 128;
  std::uint64_t seed = 1;
  // Of a trial, for the host's sake; one cell has nothing but such.
  double host_faults = 0.02;
  // Rates of failing that are planted, one a cell, each with a signature of its own. The one at
  // `mended` is gone from the middle of the nights on; in the last night a rate of 20 % is new.
  std::vector<double> planted = {0, .005, .01, .03, .04, .05, .08, .1, .15, .2, .25, .3};
  std::size_t mended = 9;
};

struct Simulated {
  int nights = 0;
  std::int64_t trials = 0, decisions = 0;
  double used = 0;             // vCPU-seconds of machines over those of the host, of all nights
  double overrun_s = 0;        // the most that a night ended after its budget
  int planted = 0, found = 0;  // rates of at least 3 %, a night each: failed at least once
  // "new" of what an earlier night had seen, or of a cell without a fault.
  int false_new = 0;
  int true_new = 0, wanted_new = 0;    // of the last night's fault
  int true_gone = 0, wanted_gone = 0;  // of the mended one, within the nights that remember it
  int nights_with_alarm = 0;           // worse, better or gone, of what did not change
  double coverage = 0;                 // of the planted cells' intervals, confidence .95
  int most_at_host_fault = 0;          // trials that the cell with nothing but host faults got
  double scheduling_s = 0;             // the scheduler's own time, wall
};

Simulated simulate(const SimulateOptions& options);
std::string simulate_text(const Simulated& result);

}  // namespace ktrial::campaign
