// Two kernels, runs or campaigns: is B worse than A?
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "harness/campaign/standing.h"
#include "harness/engine/engine.h"
#include "harness/stats/sequential.h"

namespace ktrial::campaign {

struct Side {
  std::string name;  // as the user gave it
  std::string what;  // "kernel", "run", "campaign"
  stats::Tally seen;
  int inconclusive = 0;
};

struct Compared {
  Side a, b;
  stats::Known verdict = stats::Known::not_yet;  // of B
  std::optional<double> p;  // of the direction that the counts have; unset: the test has none
  bool sampled = false;     // trials were made until it was known
  double confidence = 0.95;
  // The smallest rate of B that would have been told from A's, with the chance kPower.
  double shown_rate = 1;
  std::string test;  // which one decided
  struct Cell {
    std::string name;
    stats::Tally a, b;
    stats::Known verdict = stats::Known::not_yet;
    double p = 1;
  };
  std::vector<Cell> cells;  // of two campaigns: those that both have
};
inline constexpr double kPower = 0.90;

// Counts that are there, by Boschloo's test in both directions.
Compared compare_counts(Side a, Side b, double confidence);
// Cell by cell, with Holm's correction. Cells match by their names; if none do, by their names
// without the kernel.
Compared compare_campaigns(Side a, const Seen& seen_a, Side b, const Seen& seen_b,
                           double confidence);

struct SampleOptions {
  stats::SequentialOptions test;
  int most = 200;                       // trials a side
  int window = 2;                       // jobs that the engine has at a time, at most
  std::optional<double> budget_s = {};  // nothing begins that would not end within
  std::function<double()> now;          // seconds since the begin
  double cold_share = 0;                // of pairs: their trials boot
  std::string signature = {};           // only failures of it count; empty: all do
  std::function<void(engine::JobId, const std::string& label)> on_begin = {};
  std::function<void(engine::JobId, const std::string& text)> on_end = {};
};
struct Sampled {
  Compared compared;
  std::optional<Error> error;  // that ended it early
};
// A B A B ..., until it is known (stats::PairTest).
Sampled sample(engine::Engine& engine, const run::Job& a, const run::Job& b, Side side_a,
               Side side_b, const SampleOptions& options);

// The k of n of records; `signature` as above.
void count(Side& side, const results::RunRecord& run, const std::string& signature);

std::string compared_text(const Compared& compared);
std::string compared_json(const Compared& compared);

}  // namespace ktrial::campaign
