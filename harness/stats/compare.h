// Two samples, each of a number of trials that results did not decide. Pure.
#pragma once

#include "harness/stats/rate.h"

namespace ktrial::stats {

// Fisher's exact test, one-sided: the chance of at least `worse.fails` failures there when those
// of both fell on all trials at random. Conservative where counts are small.
double fisher(Tally base, Tally worse);

// Boschloo's unconditional exact test, one-sided, of "the rate of `worse` is not higher": Fisher's
// p-value as the statistic, its chance maximised over the rate that both would share. Never above
// fisher(), and never an excess of false alarms. Above kMostExact trials a side: fisher().
double boschloo(Tally base, Tally worse);
inline constexpr std::int64_t kMostExact = 2000;

// The smallest rate of the second sample that boschloo() would have told from the first one's
// rate, at the level `alpha`, with the chance `power`; 1: none would.
double difference_shown(std::int64_t base_trials, double base_rate, std::int64_t trials,
                        double alpha, double power);
// The chance that boschloo() tells `rate` from `base_rate`.
double power_of(std::int64_t base_trials, double base_rate, std::int64_t trials, double rate,
                double alpha);

}  // namespace ktrial::stats
