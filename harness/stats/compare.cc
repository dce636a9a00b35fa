#include "harness/stats/compare.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace ktrial::stats {
namespace {

double log_choose(std::int64_t n, std::int64_t k) {
  return std::lgamma(static_cast<double>(n + 1)) - std::lgamma(static_cast<double>(k + 1)) -
         std::lgamma(static_cast<double>(n - k + 1));
}

// The chances of 0..n failures, at any rate.
class Binomial {
 public:
  explicit Binomial(std::int64_t n) : n_(n) {
    for (std::int64_t k = 0; k <= n; ++k) log_choose_.push_back(log_choose(n, k));
  }
  std::vector<double> at(double p) const {
    std::vector<double> out(log_choose_.size(), 0.0);
    if (p <= 0 || p >= 1) {
      (p <= 0 ? out.front() : out.back()) = 1;
      return out;
    }
    const double log_p = std::log(p), log_q = std::log1p(-p);
    for (std::int64_t k = 0; k <= n_; ++k)
      out[static_cast<std::size_t>(k)] =
          std::exp(log_choose_[static_cast<std::size_t>(k)] + static_cast<double>(k) * log_p +
                   static_cast<double>(n_ - k) * log_q);
    return out;
  }

 private:
  std::int64_t n_;
  std::vector<double> log_choose_;
};

// Two samples by their numbers of trials, and of each count of failures in the first one how many
// in the second one make Fisher's test speak at a level.
class Region {
 public:
  // All outcomes whose Fisher p-value is at most `level`.
  Region(std::int64_t base, std::int64_t worse, double level) : base_(base), worse_(worse) {
    std::int64_t from = 0;  // more failures there need more here: one walk along the stairs
    for (std::int64_t k = 0; k <= base; ++k) {
      while (from <= worse && fisher({k, base}, {from, worse}) > level) ++from;
      from_.push_back(from);
    }
  }
  // Its chance, when the samples have these rates.
  double chance(double base_rate, double rate) const {
    const auto base = base_.at(base_rate), worse = worse_.at(rate);
    std::vector<double> at_least(worse.size() + 1, 0.0);
    for (std::size_t k = worse.size(); k-- > 0;) at_least[k] = at_least[k + 1] + worse[k];
    double sum = 0;
    for (std::size_t k = 0; k < base.size(); ++k)
      sum += base[k] * at_least[static_cast<std::size_t>(from_[k])];
    return std::min(sum, 1.0);
  }
  // The largest chance over all rates that both may share.
  double size() const {
    constexpr int kPoints = 100;
    double best = 0, at = 0;
    const auto look = [&](double rate) {
      if (const double here = chance(rate, rate); here > best) best = here, at = rate;
    };
    for (int i = 1; i < kPoints; ++i) {  // closer together at the ends, where it may be steep
      const double x = static_cast<double>(i) / kPoints;
      look(x * x * (3 - 2 * x));
    }
    for (double step = .01; step > 1e-5; step /= 2) {
      const double around = at;
      look(std::max(around - step, 0.0));
      look(std::min(around + step, 1.0));
    }
    return best;
  }

 private:
  Binomial base_, worse_;
  std::vector<std::int64_t> from_;
};

bool too_large(std::int64_t base, std::int64_t worse) { return std::max(base, worse) > kMostExact; }

// What boschloo() <= alpha comes to, as a level of Fisher's test.
double fisher_level(std::int64_t base, std::int64_t worse, double alpha) {
  if (too_large(base, worse)) return alpha;
  double low = alpha, high = std::min(1.0, 4 * alpha);
  for (int i = 0; i < 12; ++i) {
    const double middle = (low + high) / 2;
    (Region(base, worse, middle).size() <= alpha ? low : high) = middle;
  }
  return low;
}

}  // namespace

double fisher(Tally base, Tally worse) {
  const std::int64_t fails = base.fails + worse.fails, all = base.trials + worse.trials;
  const std::int64_t most = std::min(worse.trials, fails);
  if (worse.fails <= std::max<std::int64_t>(0, fails - base.trials)) return 1;
  // Each term from the one before.
  double term = std::exp(log_choose(worse.trials, worse.fails) +
                         log_choose(base.trials, base.fails) - log_choose(all, fails));
  double sum = 0;
  for (std::int64_t k = worse.fails; k <= most; ++k) {
    sum += term;
    term *= static_cast<double>(worse.trials - k) * static_cast<double>(fails - k) /
            (static_cast<double>(k + 1) * static_cast<double>(base.trials - fails + k + 1));
  }
  return std::min(sum, 1.0);
}

double boschloo(Tally base, Tally worse) {
  const double p = fisher(base, worse);
  if (p >= 1 || too_large(base.trials, worse.trials)) return p;
  return std::min(p, Region(base.trials, worse.trials, p * (1 + 1e-9)).size());
}

double power_of(std::int64_t base_trials, double base_rate, std::int64_t trials, double rate,
                double alpha) {
  return Region(base_trials, trials, fisher_level(base_trials, trials, alpha))
      .chance(base_rate, rate);
}

double difference_shown(std::int64_t base_trials, double base_rate, std::int64_t trials,
                        double alpha, double power) {
  const Region region(base_trials, trials, fisher_level(base_trials, trials, alpha));
  if (region.chance(base_rate, 1) < power) return 1;
  double low = base_rate, high = 1;
  for (int i = 0; i < 20; ++i) {
    const double middle = (low + high) / 2;
    (region.chance(base_rate, middle) < power ? low : high) = middle;
  }
  return high;
}

}  // namespace ktrial::stats
