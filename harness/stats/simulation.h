// For tests: coins, with seeds, and what a simulation of N runs may be off.
#pragma once

#include <cmath>
#include <cstdint>
#include <random>

#include "harness/stats/rate.h"

namespace ktrial::stats {

class Coins {
 public:
  explicit Coins(std::uint64_t seed) : random_(seed) {}
  double uniform() { return static_cast<double>(random_() >> 11) * 0x1p-53; }
  bool toss(double p) { return uniform() < p; }
  Tally tosses(std::int64_t n, double p) {
    Tally out{0, n};
    for (std::int64_t i = 0; i < n; ++i) out.fails += toss(p);
    return out;
  }

 private:
  std::mt19937_64 random_;
};

// Four standard errors of a share that is `p` in truth, of `runs`.
inline double slack(double p, int runs) { return 4 * std::sqrt(p * (1 - p) / runs); }

}  // namespace ktrial::stats
