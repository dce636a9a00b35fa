// Whether one of two samples of numbers is the larger one, by ranks alone. Pure.
#pragma once

#include <map>
#include <span>
#include <vector>

namespace ktrial::stats {

// Wilcoxon's and Mann's and Whitney's rank sum, exact, ties and all: the chance of ranks as high as
// those of `more` when all numbers fall on both samples at random. One-sided.
//
// Keeps the distributions that it has counted: those of many features of the same samples are few.
class RankSum {
 public:
  // Larger samples than kMost are refused by their first kMost.
  static constexpr std::size_t kMost = 32;
  double higher(std::span<const double> more, std::span<const double> less);

 private:
  struct Key {
    std::size_t of = 0;     // numbers of the first sample
    std::vector<int> ties;  // how many have each rank, in order
    auto operator<=>(const Key&) const = default;
  };
  // Of each sum of doubled ranks: how many choices are that high or higher, as a share.
  const std::vector<double>& tail(const Key& key);
  std::map<Key, std::vector<double>> known_;
};

}  // namespace ktrial::stats
