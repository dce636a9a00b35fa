#include "harness/campaign/moves.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "harness/stats/many.h"
#include "harness/stats/ranks.h"

namespace ktrial::campaign {
namespace {

constexpr std::size_t kFewest = 5;      // trials of a night, that can say anything
constexpr std::size_t kMostNights = 3;  // the latest ones

struct Number {
  std::pair<std::string, std::string> what;
  std::size_t nights = 0;
  std::uint64_t median = 0;  // of the latest night
  bool higher = false;
  double p = 1;
};

std::uint64_t median_of(std::vector<std::uint64_t> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>((values.size() - 1) / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

Number compared(const std::vector<std::uint64_t>& tonight,
                const std::vector<const std::vector<std::uint64_t>*>& nights,
                stats::RankSum& ranks) {
  const std::vector<double> now(tonight.begin(), tonight.end());
  double higher = 0, lower = 0;
  for (const auto* night : nights) {
    const std::vector<double> then(night->begin(), night->end());
    higher = std::max(higher, ranks.higher(now, then));
    lower = std::max(lower, ranks.higher(then, now));
  }
  return {.what = {},
          .nights = nights.size(),
          .median = median_of(*nights.back()),
          .higher = higher < lower,
          .p = std::min(1.0, 2 * std::min(higher, lower))};
}

}  // namespace

Moves moves(const Seen& tonight, std::span<const Seen> nights) {
  std::vector<Number> all;
  stats::RankSum ranks;
  for (const auto& [cell, seen] : tonight.cells)
    for (const auto& [number, values] : seen.numbers) {
      std::vector<const std::vector<std::uint64_t>*> before;
      for (const Seen& night : nights) {
        const auto there = night.cells.find(cell);
        if (there == night.cells.end()) continue;
        const auto found = there->second.numbers.find(number);
        if (found != there->second.numbers.end() && found->second.size() >= kFewest)
          before.push_back(&found->second);
      }
      if (values.size() < kFewest || before.empty()) continue;
      before.erase(before.begin(), before.end() - static_cast<std::ptrdiff_t>(
                                                      std::min(kMostNights, before.size())));
      all.push_back(compared(values, before, ranks));
      all.back().what = {cell, number};
    }
  std::vector<double> p;
  for (const Number& one : all) p.push_back(one.p);
  p = stats::holm(p);
  Moves out{.moved = {}, .compared = all.size()};
  for (std::size_t i = 0; i < all.size(); ++i)
    if (p[i] <= kAlarm)
      out.moved[all[i].what] = fmt::format(
          "{} than in {} (median {}; rank sums, p={:.2g})", all[i].higher ? "higher" : "lower",
          all[i].nights == 1 ? std::string("the night before")
                             : fmt::format("each of {} nights before", all[i].nights),
          all[i].median, p[i]);
  return out;
}

}  // namespace ktrial::campaign
