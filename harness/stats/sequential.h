// Comparing while sampling: A B A B ..., a look after every pair. Pure.
//
// Wald's test of two rates (Sequential Analysis, 1947, ch. 6): of pairs of one trial each, those
// count where one fails and the other does not. If the odds of failing are psi times as high in B
// as in A, B is the one that fails with the chance psi / (1 + psi), whatever the rates are. Two
// tests run beside each other, of "B is worse" and "A is worse"; the bounds are those of Ville's
// inequality (1/alpha, beta), so that the errors hold exactly, however long it takes.
#pragma once

#include <cstdint>

#include "harness/stats/rate.h"

namespace ktrial::stats {

struct SequentialOptions {
  double alpha = 0.05;  // that a difference is told where there is none, of both sides together
  double beta = 0.10;   // that one of `odds` is not
  double odds = 3;      // the smallest ratio of odds that matters: 5 % and 13.6 %, 10 % and 25 %
  double floor = 0.05;  // rates of which both are below matter to nobody
};

enum class Known { not_yet, worse, better, no_difference };

class PairTest {
 public:
  explicit PairTest(const SequentialOptions& options = {}) : options_(options) {}
  void pair(bool a_fails, bool b_fails);
  // The first that was known stays known.
  Known known() const { return known_; }
  Tally a() const { return a_; }
  Tally b() const { return b_; }

 private:
  double log_ratio(std::int64_t fails, std::int64_t other) const;
  SequentialOptions options_;
  Tally a_, b_;
  std::int64_t only_a_ = 0, only_b_ = 0;
  Known known_ = Known::not_yet;
};

}  // namespace ktrial::stats
