#include "harness/stats/many.h"

#include <algorithm>
#include <numeric>

namespace ktrial::stats {
namespace {

std::vector<std::size_t> ascending(std::span<const double> values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, {}, [&](std::size_t i) { return values[i]; });
  return order;
}

}  // namespace

std::vector<double> holm(std::span<const double> p_values) {
  std::vector<double> out(p_values.size());
  const auto order = ascending(p_values);
  double most = 0;
  for (std::size_t rank = 0; rank < order.size(); ++rank) {
    most = std::max(most, p_values[order[rank]] * static_cast<double>(order.size() - rank));
    out[order[rank]] = std::min(most, 1.0);
  }
  return out;
}

std::vector<double> benjamini_hochberg(std::span<const double> p_values) {
  std::vector<double> out(p_values.size());
  const auto order = ascending(p_values);
  double least = 1;
  for (std::size_t rank = order.size(); rank-- > 0;) {
    least = std::min(least, p_values[order[rank]] * static_cast<double>(order.size()) /
                                static_cast<double>(rank + 1));
    out[order[rank]] = least;
  }
  return out;
}

}  // namespace ktrial::stats
