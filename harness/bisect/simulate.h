// Bisections of made-up histories: how often each strategy is right, and what that costs.
//
// A trial draws a culprit among `commits` in a row; a run fails with chance p at the culprit
// and after, q before it. Every strategy sees the same culprits. Costs are in runs; each commit
// that is run is built once, the failing end included.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "harness/base/result.h"

namespace ktrial::bisect {

struct SimulateOptions {
  int commits = 1024;
  int trials = 200;
  std::uint64_t seed = 1;
  std::vector<double> with_bug = {0.05, 0.1, 0.3, 0.9};  // p
  std::vector<double> without_bug = {0, 0.02};           // q
  double build_cost = 10;                                // in runs
  double confidence = 0.95;
};

// One strategy at one pair of rates: means over the trials.
struct Cell {
  std::string strategy;
  double with_bug = 0, without_bug = 0;
  double accuracy = 0, runs = 0, builds = 0, cost = 0;
  double bound_ratio = 0;  // cost / the lower bound for (p, q) of theory.h
};

// ErrorKind::usage for options that make no sense. Same options, same cells, on every machine.
Result<std::vector<Cell>> simulate(const SimulateOptions& options);
// The cells as text: a block for each q, rows of strategies, columns of p.
Result<std::string> simulate_table(const SimulateOptions& options);
// The same as a document: {"schema", "ktrial_version", "commits", "trials", "seed", "build_cost",
// "confidence", "cells": [{"strategy", "with_bug", "without_bug", "accuracy", "runs", "builds",
// "cost", "bound_ratio"}]}
Result<std::string> simulate_json(const SimulateOptions& options);

}  // namespace ktrial::bisect
