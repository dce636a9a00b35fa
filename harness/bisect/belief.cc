#include "harness/bisect/belief.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

namespace ktrial::bisect {
namespace {

constexpr int kRatePoints = 24;
constexpr double kLowestRate = 0.01, kHighestRate = 0.99;
// Of the prior in log p: 0 would be uniform, slow where p > .05, and 1/2 Jeffreys' prior of a
// coin, too sure where p is small and there is a background (simulate.h).
constexpr double kRatePower = 0.25;

// Most bugs do not show by themselves, yet a rate of exactly 0 could never be refuted.
constexpr double kMostBackground = 0.5;  // of p: what fails more often without the bug hides it
constexpr struct {
  double rate, weight;
} kBackground[] = {{0.002, 2}, {0.005, 1.5}, {0.01, 1.5}, {0.02, 1.5}, {0.04, 1}, {0.08, 0.5}};
constexpr double kNoBackground = 0.0002;
constexpr double no_background_weight(Background background) {
  return background == Background::rare ? 64 : 2;
}

// A given rate of 0 or 1 makes one contrary result impossible; the runs of a machine room are
// not that certain.
double log_of(double x) { return std::log(std::max(x, 1e-9)); }

}  // namespace

Status check(const Rates& given) {
  const double p = given.with_bug.value_or(1), q = given.without_bug.value_or(0);
  if (!(q >= 0 && q < p && p <= 1))
    return usage_error(
        fmt::format("fail rates {} with the bug and {} without it: 0 <= without < "
                    "with <= 1 must hold",
                    p, q));
  if (rate_prior(given).empty())
    return usage_error(fmt::format("no fail rate that is considered is above {}, the rate without "
                                   "the bug",
                                   q),
                       "give the rate with the bug as well");
  return {};
}

std::vector<RatePair> rate_prior(const Rates& given, Background background) {
  std::vector<RatePair> with, out;
  if (given.with_bug)
    with.push_back({*given.with_bug, 0, 1});
  else
    for (int k = 0; k < kRatePoints; ++k)
      with.push_back({kLowestRate * std::pow(kHighestRate / kLowestRate, k / (kRatePoints - 1.0))});
  for (const RatePair& p : with) {
    const double weight = std::pow(p.with_bug, kRatePower);
    if (given.without_bug) {
      if (*given.without_bug < p.with_bug) out.push_back({p.with_bug, *given.without_bug, weight});
      continue;
    }
    out.push_back({p.with_bug, kNoBackground, no_background_weight(background) * weight});
    for (const auto& q : kBackground)
      if (q.rate <= kMostBackground * p.with_bug)
        out.push_back({p.with_bug, q.rate, q.weight * weight});
  }
  return out;
}

void Counts::add(const Counts& more) {
  fails += more.fails;
  passes += more.passes;
  censored += more.censored;
  exposure_millionths += more.exposure_millionths;
}

Belief::Belief(const CommitGraph& graph, Direction direction, std::vector<RatePair> rates,
               std::vector<double> weights)
    : graph_(&graph),
      direction_(direction),
      rates_(std::move(rates)),
      weights_(std::move(weights)),
      counts_(graph.size() + 1),
      posterior_(graph.size()),
      row_of_(graph.size()) {
  if (weights_.empty()) weights_.assign(graph.size(), 1.0);
  for (std::size_t k = 0; k < rates_.size(); ++k) {
    log_fail_.push_back(log_of(rate_in(k)));
    log_pass_.push_back(log_of(1 - rate_in(k)));
    log_fail_out_.push_back(log_of(rate_out(k)));
    log_pass_out_.push_back(log_of(1 - rate_out(k)));
    log_prior_.push_back(std::log(rates_[k].weight));
  }
  refresh();
}

double Belief::rate_in(std::size_t k) const {
  return direction_ == Direction::bug ? rates_[k].with_bug : rates_[k].without_bug;
}
double Belief::rate_out(std::size_t k) const {
  return direction_ == Direction::bug ? rates_[k].without_bug : rates_[k].with_bug;
}

void Belief::add(Index commit, const Counts& counts) {
  counts_[commit].add(counts);
  all_fails_ += counts.fails;
  all_exposure_ += counts.exposure_millionths;
  refresh();
}

Belief::Row Belief::evaluate(std::int64_t fails_in, std::int64_t exposure_in) const {
  const double f1 = static_cast<double>(fails_in), s1 = static_cast<double>(exposure_in) * 1e-6;
  const double f0 = static_cast<double>(all_fails_ - fails_in);
  const double s0 = static_cast<double>(all_exposure_ - exposure_in) * 1e-6;
  Row row;
  row.rate_weights.resize(rates_.size());
  for (std::size_t k = 0; k < rates_.size(); ++k)
    row.rate_weights[k] = log_prior_[k] + f1 * log_fail_[k] + s1 * log_pass_[k] +
                          f0 * log_fail_out_[k] + s0 * log_pass_out_[k];
  const double top = std::ranges::max(row.rate_weights);
  double sum = 0;
  for (double& weight : row.rate_weights) sum += weight = std::exp(weight - top);
  for (double& weight : row.rate_weights) weight /= sum;
  row.log_evidence = top + std::log(sum);
  return row;
}

void Belief::make_rows() {
  std::vector<std::int64_t> fails(graph_->size()), exposure(graph_->size());
  for (Index i = 0; i < graph_->size(); ++i) {
    fails[i] = counts_[i].fails;
    exposure[i] = counts_[i].exposure_millionths;
  }
  graph_->descendant_sums<std::int64_t>(fails, fails);
  graph_->descendant_sums<std::int64_t>(exposure, exposure);
  rows_.clear();
  std::map<std::pair<std::int64_t, std::int64_t>, std::uint32_t> known;
  for (Index i = 0; i < graph_->size(); ++i) {
    if (i > 0 && fails[i] == fails[i - 1] && exposure[i] == exposure[i - 1]) {
      row_of_[i] = row_of_[i - 1];
      continue;
    }
    const auto [it, is_new] =
        known.try_emplace({fails[i], exposure[i]}, static_cast<std::uint32_t>(rows_.size()));
    if (is_new) rows_.push_back(evaluate(fails[i], exposure[i]));
    row_of_[i] = it->second;
  }
}

void Belief::refresh() {
  make_rows();
  double top = -std::numeric_limits<double>::infinity();
  for (Index i = 0; i < graph_->size(); ++i)
    if (weights_[i] > 0) top = std::max(top, rows_[row_of_[i]].log_evidence);
  std::vector<double> scale;
  for (const Row& row : rows_) scale.push_back(std::exp(std::min(0.0, row.log_evidence - top)));
  double sum = 0;
  for (Index i = 0; i < graph_->size(); ++i) sum += posterior_[i] = weights_[i] * scale[row_of_[i]];
  for (double& probability : posterior_) probability /= sum;
}

Belief::Index Belief::best() const {
  return static_cast<Index>(std::ranges::max_element(posterior_) - posterior_.begin());
}

double Belief::entropy() const {
  double bits = 0;
  for (const double probability : posterior_)
    if (probability > 0) bits -= probability * std::log2(probability);
  return bits;
}

RatePair Belief::mean_rates() const {
  std::vector<double> row_mass(rows_.size());
  for (Index i = 0; i < graph_->size(); ++i) row_mass[row_of_[i]] += posterior_[i];
  RatePair mean;
  for (std::size_t r = 0; r < rows_.size(); ++r)
    for (std::size_t k = 0; k < rates_.size(); ++k) {
      const double weight = row_mass[r] * rows_[r].rate_weights[k];
      mean.with_bug += weight * rates_[k].with_bug;
      mean.without_bug += weight * rates_[k].without_bug;
    }
  return mean;
}

}  // namespace ktrial::bisect
