#include "harness/bisect/choice.h"

#include <cmath>

#include "harness/bisect/theory.h"

namespace ktrial::bisect {
namespace {

using Index = CommitGraph::Index;

// Of a build's cost, what the test at hand must pay: later ones can use the build, too.
constexpr double kBuildShare = 0.5;
constexpr int kLengths[] = {1, 2, 3, 5, 8, 12, 18, 27, 40, 60, 90};
// Below this a run tells nothing that the floating point could hold.
constexpr double kNoBits = 1e-9;
// Rows less likely than this are left out of the sums.
constexpr double kNoMass = 1e-10;

double mean_runs(double rate, int most) {
  if (rate <= 0) return most;
  return (1 - std::pow(1 - rate, most)) / rate;
}

// What one culprit's row adds to a commit's sums if the commit contains it.
struct Sums {
  double fail = 0, known = 0, runs = 0;
  Sums operator+(const Sums& o) const { return {fail + o.fail, known + o.known, runs + o.runs}; }
  Sums operator*(double mass) const { return {fail * mass, known * mass, runs * mass}; }
  Sums operator-(const Sums& o) const { return {fail - o.fail, known - o.known, runs - o.runs}; }
};

// The part of a linear history about which anything is left to tell; `mass` is the posterior
// summed over ancestors. Other histories have no such part.
CommitGraph::Interval open_window(const CommitGraph& graph, std::span<const double> mass) {
  if (!graph.is_linear()) return {0, graph.size()};
  const auto from = std::ranges::lower_bound(mass, kNoMass);
  const auto to = std::ranges::lower_bound(mass, 1 - kNoMass);
  return {static_cast<Index>(from - mass.begin()),
          std::min(graph.size(), static_cast<Index>(to - mass.begin()) + 1)};
}

}  // namespace

struct Chooser::RowTerms {
  Sums out, rise;  // at a commit without the culprit, and what more at one with it
};

Chooser::RowTerms Chooser::terms_of(const Belief::Row& row, const Length& length) {
  Sums in, out;
  for (std::size_t k = 0; k < row.rate_weights.size(); ++k) {
    in.fail += row.rate_weights[k] * length.fail_in[k];
    out.fail += row.rate_weights[k] * length.fail_out[k];
    in.runs += row.rate_weights[k] * length.runs_in[k];
    out.runs += row.rate_weights[k] * length.runs_out[k];
  }
  in.known = binary_entropy(in.fail);
  out.known = binary_entropy(out.fail);
  return {out, in - out};
}

Chooser::Chooser(const Belief& belief) {
  for (const int runs : kLengths) {
    Length length;
    length.runs = runs;
    for (std::size_t k = 0; k < belief.rates().size(); ++k) {
      const double in = belief.rate_in(k), out = belief.rate_out(k);
      length.fail_in.push_back(1 - std::pow(1 - in, runs));
      length.fail_out.push_back(1 - std::pow(1 - out, runs));
      length.runs_in.push_back(mean_runs(in, runs));
      length.runs_out.push_back(mean_runs(out, runs));
    }
    lengths_.push_back(std::move(length));
  }
}

Choice Chooser::choose(const Belief& belief, const Costs& costs, const Choosable& what) const {
  const CommitGraph& graph = belief.graph();
  const std::span<const double> posterior = belief.posterior();
  // What a run tells beyond whether the commit contains the culprit it tells by way of the rates;
  // that is little and so the bits are capped, which leaves few commits to look at.
  std::vector<double> most_bits(graph.size());
  graph.ancestor_sums<double>(posterior, most_bits);
  const CommitGraph::Interval window = open_window(graph, most_bits);
  std::vector<double> row_mass(belief.rows().size());
  for (Index i = 0; i < graph.size(); ++i) row_mass[belief.row_of()[i]] += posterior[i];
  for (Index i = window.from; i < window.to; ++i)
    most_bits[i] = binary_entropy(most_bits[i]) * (1 - what.skip_chance[i]);
  std::vector<RowTerms> terms(belief.rows().size());
  std::vector<Sums> weights(graph.size()), sums(graph.size());
  Choice best;
  double best_value = 0;
  for (const Length& length : lengths_) {
    for (std::size_t r = 0; r < terms.size(); ++r)
      terms[r] = row_mass[r] < kNoMass ? RowTerms{} : terms_of(belief.rows()[r], length);
    Sums without;  // as if no commit contained any culprit
    for (std::size_t r = 0; r < terms.size(); ++r) without = without + terms[r].out * row_mass[r];
    for (Index b = window.from; b < window.to; ++b)
      weights[b] = terms[belief.row_of()[b]].rise * posterior[b];
    graph.ancestor_sums<Sums>(weights, sums, window);
    for (Index i = window.from; i < window.to; ++i) {
      const double build = what.built[i] ? 0 : kBuildShare * costs.build;
      if (most_bits[i] <= kNoBits || most_bits[i] <= best_value * (build + costs.run)) continue;
      const Sums at = sums[i] + without;
      const double bits =
          std::min((binary_entropy(at.fail) - at.known) * (1 - what.skip_chance[i]), most_bits[i]);
      const double cost = build + costs.run * std::max(at.runs / costs.parallel, 1.0);
      if (bits > kNoBits && bits > best_value * cost) {
        best_value = bits / cost;
        best = {i, length.runs, bits, cost};
      }
    }
  }
  return best;
}

}  // namespace ktrial::bisect
