// What the runs so far say about which commit made the change.
//
// A run at commit i fails with the wanted signature at rate `in` if i contains the change,
// else at rate `out`. The rates are unknown: a grid of pairs with a prior (or one pair, if
// they are given). Given the change at b, only the fails and the exposure at commits that
// contain b and the rest matter, so all commits with the same two sums share one row of
// likelihoods: a state is a handful of rows, however long the history is.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "harness/bisect/graph.h"

namespace ktrial::bisect {

// Which end fails: `bug` looks for the commit from which on runs fail, `fix` for the one from
// which on they do not.
enum class Direction { bug, fix };

// How often a run fails with the bug (p) and without it (q).
struct RatePair {
  double with_bug = 0, without_bug = 0;
  double weight = 1;  // prior, need not be normalised
};
struct Rates {
  std::optional<double> with_bug, without_bug;  // nullopt: unknown
};
// ErrorKind::usage for rates that make no sense.
Status check(const Rates& given);
// What is thought of a background rate that is not given, before any run: most bugs never show
// without their cause (`rare`), or many do (`suspected`).
enum class Background { rare, suspected };
// The prior over both rates: one point for what is given, else p to a small power on a
// logarithmic grid of 24 points in [0.01, 0.99] for p and a few small values for q, always q < p.
std::vector<RatePair> rate_prior(const Rates& given, Background background = Background::rare);

// Results of runs at one commit. A run that ended early, or in a crash of another kind, tells
// nothing but that the wanted failure did not come in the share of a run that it lasted.
struct Counts {
  std::int64_t fails = 0;
  std::int64_t passes = 0;
  std::int64_t censored = 0;             // runs that ended without an answer
  std::int64_t exposure_millionths = 0;  // without the failure: passes x 1e6 + shares of the rest

  std::int64_t runs() const { return fails + passes + censored; }
  double exposure() const { return static_cast<double>(exposure_millionths) * 1e-6; }
  void add(const Counts& more);
};

class Belief {
 public:
  using Index = CommitGraph::Index;
  // The commits of one row have the same evidence, so the same posterior over the rates.
  struct Row {
    double log_evidence = 0;           // log of the evidence, up to a constant of all rows
    std::vector<double> rate_weights;  // posterior over rates(), sums to 1
  };

  // `graph` must outlive this. `weights` is the prior over commits (empty: uniform), at least
  // size() long and positive for at least one commit.
  Belief(const CommitGraph& graph, Direction direction, std::vector<RatePair> rates,
         std::vector<double> weights);

  void add(Index commit, const Counts& counts);  // old_end() too

  const CommitGraph& graph() const { return *graph_; }
  std::span<const RatePair> rates() const { return rates_; }
  // Fail rates of a pair at commits that contain the change, and at the others.
  double rate_in(std::size_t pair) const;
  double rate_out(std::size_t pair) const;
  const Counts& counts(Index commit) const { return counts_[commit]; }

  std::span<const double> posterior() const { return posterior_; }  // sums to 1
  std::span<const std::uint32_t> row_of() const { return row_of_; }
  std::span<const Row> rows() const { return rows_; }
  Index best() const;           // the most likely commit
  double entropy() const;       // bits, of the posterior over commits
  RatePair mean_rates() const;  // posterior means

 private:
  void refresh();
  void make_rows();
  Row evaluate(std::int64_t fails_in, std::int64_t exposure_in) const;

  const CommitGraph* graph_;
  Direction direction_;
  std::vector<RatePair> rates_;
  std::vector<double> log_fail_, log_pass_, log_fail_out_, log_pass_out_, log_prior_;
  std::vector<double> weights_;
  std::vector<Counts> counts_;  // one more than commits: the old end
  std::int64_t all_fails_ = 0, all_exposure_ = 0;
  std::vector<double> posterior_;
  std::vector<std::uint32_t> row_of_;
  std::vector<Row> rows_;
};

}  // namespace ktrial::bisect
