// What k failures of n trials say about the rate of failing. Pure; nothing here allocates or fails.
//
// Which interval holds depends on why the sampling ended. `exact_*` (Clopper and Pearson 1934) are
// right for a number of trials that was fixed before, and for "until the first failure". Where
// results decide whether to go on they are not: stopped at the moment that the interval says what
// one hoped, 95 % cover 86 to 92 %. `anytime_*` hold at every look at once, and so whenever one
// stops; they are wider.
#pragma once

#include <cstdint>

namespace ktrial::stats {

// Of trials that were judged; an inconclusive trial is none. 0 <= fails <= trials.
struct Tally {
  std::int64_t fails = 0, trials = 0;
  std::int64_t passes() const { return trials - fails; }
  double rate() const {  // as observed; 0 of none
    return trials > 0 ? static_cast<double>(fails) / static_cast<double>(trials) : 0;
  }
  Tally operator+(const Tally& more) const { return {fails + more.fails, trials + more.trials}; }
  bool operator==(const Tally&) const = default;
};

struct Interval {
  double low = 0, high = 1;
  bool contains(double rate) const { return low <= rate && rate <= high; }
};

// Two-sided: each end is wrong with at most (1 - confidence) / 2.
Interval exact_interval(Tally seen, double confidence);
// One-sided: "rate < x". Of zero failures x = 1 - (1 - confidence)^(1/n).
double exact_upper(Tally seen, double confidence);
double exact_lower(Tally seen, double confidence);

// Robbins's mixture: all p with p^k (1-p)^(n-k) >= a B(k+1/2, n-k+1/2) / B(1/2, 1/2), a = 1 -
// confidence. By Ville's inequality the true rate is in all of them, however long one looks.
Interval anytime_interval(Tally seen, double confidence);

// "rate < x" that holds at every look: the test martingale of who bets that the rate is a
// fraction of x, half of the stake on "it never fails". 0 of 339 trials say 1 %, where a number
// fixed before needs 299. anytime_lower is the same with fails and passes exchanged.
double anytime_upper(Tally seen, double confidence);
bool surely_below(Tally seen, double rate, double confidence);  // anytime_upper() <= rate
double anytime_lower(Tally seen, double confidence);

// A rate that n trials would have shown at least once with the chance `power`: "one of x".
double rate_shown(std::int64_t trials, double power);
// Trials without a failure, fixed before, that say "rate < x".
std::int64_t trials_for(double rate, double confidence);

}  // namespace ktrial::stats
