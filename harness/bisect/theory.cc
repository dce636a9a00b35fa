#include "harness/bisect/theory.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace ktrial::bisect {

double binary_entropy(double x) {
  if (!(x > 0 && x < 1)) return 0;
  return -(x * std::log2(x) + (1 - x) * std::log2(1 - x));
}

double divergence(double x, double y) {
  auto term = [](double a, double b) { return a <= 0 ? 0.0 : a * std::log2(a / b); };
  if ((x > 0 && y <= 0) || (x < 1 && y >= 1)) return std::numeric_limits<double>::infinity();
  return term(x, y) + term(1 - x, 1 - y);
}

double capacity(double p, double q) {
  if (!(p > q)) return 0;
  const double hp = binary_entropy(p), hq = binary_entropy(q);
  return (q * hp - p * hq) / (p - q) + std::log2(1 + std::exp2((hq - hp) / (p - q)));
}

double bits_needed(double entropy_bits, double confidence) {
  return std::max(0.0, confidence * entropy_bits - binary_entropy(confidence));
}

double lower_bound(double bits, double build_cost, double run_cost, double p, double q) {
  const double per_run = capacity(p, q);
  if (bits <= 0) return 0;
  if (per_run <= 0) return std::numeric_limits<double>::infinity();
  return bits * build_cost + bits / per_run * run_cost;
}

double confirmation_floor(double p, double q, double confidence) {
  const double wrong = std::clamp(1 - confidence, 1e-12, 0.5);
  const double per_run = divergence(q, p);
  if (per_run <= 0) return std::numeric_limits<double>::infinity();
  return (1 - 2 * wrong) * std::log2((1 - wrong) / wrong) / per_run;
}

}  // namespace ktrial::bisect
