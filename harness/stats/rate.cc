#include "harness/stats/rate.h"

#include <algorithm>
#include <array>
#include <boost/math/special_functions/beta.hpp>
#include <cmath>
#include <limits>

namespace ktrial::stats {
namespace {

// Throws nothing, and has no need of long doubles.
using Policy = boost::math::policies::policy<
    boost::math::policies::domain_error<boost::math::policies::errno_on_error>,
    boost::math::policies::overflow_error<boost::math::policies::errno_on_error>,
    boost::math::policies::evaluation_error<boost::math::policies::errno_on_error>,
    boost::math::policies::promote_double<false>>;

// x log y, where nothing times anything is nothing.
double times_log(std::int64_t x, double y) {
  return x == 0 ? 0 : static_cast<double>(x) * std::log(y);
}

double log_beta(double a, double b) { return std::lgamma(a) + std::lgamma(b) - std::lgamma(a + b); }

// Where `f`, which is below 0 at `from` and above at `to`, changes its sign; on the side of `to`.
template <class F>
double root(double from, double to, F f) {
  for (int i = 0; i < 60 && std::abs(to - from) > 1e-12; ++i) {
    const double middle = (from + to) / 2;
    (f(middle) < 0 ? from : to) = middle;
  }
  return to;
}

// The capital, as a logarithm, of who bets against "the rate is at least x".
double log_capital(Tally seen, double x) {
  // Shares of x that are betted on, with their stakes.
  struct Bet {
    double share, stake;
  };
  constexpr std::array<Bet, 5> kBets{{{0, .5}, {.1, .125}, {.3, .125}, {.5, .125}, {.75, .125}}};
  std::array<double, kBets.size()> terms;
  for (std::size_t i = 0; i < kBets.size(); ++i)
    terms[i] = std::log(kBets[i].stake) + times_log(seen.fails, kBets[i].share) +
               times_log(seen.passes(), (1 - kBets[i].share * x) / (1 - x));
  const double top = *std::ranges::max_element(terms);
  double sum = 0;
  for (const double term : terms) sum += std::exp(term - top);
  return top + std::log(sum);
}

}  // namespace

double exact_upper(Tally seen, double confidence) {
  if (seen.passes() <= 0) return 1;
  return boost::math::ibeta_inv(static_cast<double>(seen.fails + 1),
                                static_cast<double>(seen.passes()), confidence, Policy());
}

double exact_lower(Tally seen, double confidence) {
  return 1 - exact_upper({seen.passes(), seen.trials}, confidence);
}

Interval exact_interval(Tally seen, double confidence) {
  const double each = (1 + confidence) / 2;
  return {exact_lower(seen, each), exact_upper(seen, each)};
}

Interval anytime_interval(Tally seen, double confidence) {
  if (seen.trials <= 0) return {};
  const double k = static_cast<double>(seen.fails), rest = static_cast<double>(seen.passes());
  const double bar = std::log(1 - confidence) + log_beta(k + .5, rest + .5) - log_beta(.5, .5);
  const auto outside = [&](double p) {
    return bar - times_log(seen.fails, p) - times_log(seen.passes(), 1 - p);
  };
  // At the observed rate the likelihood is highest: it is inside.
  const double middle = seen.rate();
  return {seen.fails == 0 ? 0 : root(middle, 0, outside),
          seen.passes() == 0 ? 1 : root(middle, 1, outside)};
}

double anytime_upper(Tally seen, double confidence) {
  if (seen.passes() <= 0) return 1;
  const double bar = -std::log(1 - confidence);
  return root(0, 1, [&](double x) { return x >= 1 ? 1 : log_capital(seen, x) - bar; });
}

bool surely_below(Tally seen, double rate, double confidence) {
  if (rate <= 0 || seen.passes() <= 0) return rate >= 1;
  return rate >= 1 || log_capital(seen, rate) >= -std::log(1 - confidence);
}

double anytime_lower(Tally seen, double confidence) {
  return 1 - anytime_upper({seen.passes(), seen.trials}, confidence);
}

double rate_shown(std::int64_t trials, double power) {
  return trials <= 0 ? 1 : 1 - std::pow(1 - power, 1 / static_cast<double>(trials));
}

std::int64_t trials_for(double rate, double confidence) {
  if (rate >= 1) return 1;
  if (rate <= 0) return std::numeric_limits<std::int64_t>::max();
  // The least n with (1 - rate)^n <= 1 - confidence; a rounding error must not ask for one more.
  const double n = std::log(1 - confidence) / std::log1p(-rate);
  return std::max<std::int64_t>(1, static_cast<std::int64_t>(std::ceil(n - 1e-9)));
}

}  // namespace ktrial::stats
