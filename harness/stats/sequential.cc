#include "harness/stats/sequential.h"

#include <cmath>

namespace ktrial::stats {

// Of "its odds are `odds` times the other's" against "they are equal".
double PairTest::log_ratio(std::int64_t fails, std::int64_t other) const {
  const double share = options_.odds / (1 + options_.odds);
  return static_cast<double>(fails) * std::log(2 * share) +
         static_cast<double>(other) * std::log(2 * (1 - share));
}

void PairTest::pair(bool a_fails, bool b_fails) {
  if (known_ != Known::not_yet) return;
  a_ = a_ + Tally{a_fails, 1};
  b_ = b_ + Tally{b_fails, 1};
  only_a_ += a_fails && !b_fails;
  only_b_ += b_fails && !a_fails;
  const double told = -std::log(options_.alpha / 2), refuted = std::log(options_.beta);
  const double b_worse = log_ratio(only_b_, only_a_), a_worse = log_ratio(only_a_, only_b_);
  if (b_worse >= told)
    known_ = Known::worse;
  else if (a_worse >= told)
    known_ = Known::better;
  else if (b_worse <= refuted && a_worse <= refuted)
    known_ = Known::no_difference;
  else if (surely_below(a_, options_.floor, 1 - options_.alpha / 2) &&
           surely_below(b_, options_.floor, 1 - options_.alpha / 2))
    known_ = Known::no_difference;
}

}  // namespace ktrial::stats
