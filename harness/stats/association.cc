#include "harness/stats/association.h"

#include <algorithm>
#include <charconv>
#include <functional>
#include <set>

#include "harness/stats/compare.h"
#include "harness/stats/many.h"

namespace ktrial::stats {
namespace {

std::optional<long> number(const std::string& text) {
  long value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

class Search {
 public:
  explicit Search(std::span<const Group> groups) : groups_(groups) {
    if (groups.empty()) return;
    for (std::size_t axis = 0; axis < groups.front().axes.size(); ++axis) add_axis(axis);
  }

  std::optional<Factor> best(double alpha) {
    std::vector<double> p_values;
    for (const Factor& factor : factors_) p_values.push_back(factor.p);
    const auto adjusted = holm(p_values);
    for (std::size_t i = 0; i < factors_.size(); ++i) factors_[i].p = adjusted[i];
    // Of equally clear ones that which holds all failures, then the plan's first.
    const auto found = std::ranges::min_element(factors_, {}, [](const Factor& factor) {
      return std::pair(factor.p, factor.only ? 0 : 1);
    });
    if (found == factors_.end() || found->p > alpha) return std::nullopt;
    return *found;
  }

 private:
  void add_axis(std::size_t axis) {
    std::set<std::string> values;
    std::set<long> numbers;
    bool numeric = true;
    for (const Group& group : groups_) {
      const std::string& value = group.axes[axis].second;
      values.insert(value);
      if (const auto n = number(value))
        numbers.insert(*n);
      else
        numeric = false;
    }
    if (values.size() < 2) return;
    const std::string& name = groups_.front().axes[axis].first;
    for (const std::string& value : values)
      add(name + "=" + value, [&](const Group& g) { return g.axes[axis].second == value; });
    if (!numeric || numbers.size() < 3) return;
    // Between the two ends, whose thresholds are single values.
    for (auto it = std::next(numbers.begin()); std::next(it) != numbers.end(); ++it) {
      const long from = *it;
      add(name + ">=" + std::to_string(from),
          [&](const Group& g) { return number(g.axes[axis].second) >= from; });
    }
    for (auto it = std::next(numbers.begin()); std::next(it) != numbers.end(); ++it) {
      const long to = *it;
      add(name + "<=" + std::to_string(to),
          [&](const Group& g) { return number(g.axes[axis].second) <= to; });
    }
  }

  void add(std::string text, const std::function<bool(const Group&)>& has) {
    Factor factor{std::move(text)};
    for (const Group& group : groups_) {
      Tally& side = has(group) ? factor.with : factor.without;
      side = side + group.seen;
    }
    if (factor.with.trials == 0 || factor.without.trials == 0) return;
    factor.only = factor.without.fails == 0;
    factor.p = fisher(factor.without, factor.with);
    factors_.push_back(std::move(factor));
  }

  std::span<const Group> groups_;
  std::vector<Factor> factors_;
};

}  // namespace

std::optional<Factor> common_factor(std::span<const Group> groups, double alpha) {
  return Search(groups).best(alpha);
}

}  // namespace ktrial::stats
