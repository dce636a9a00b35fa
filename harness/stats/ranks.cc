#include "harness/stats/ranks.h"

#include <algorithm>

namespace ktrial::stats {

double RankSum::higher(std::span<const double> more, std::span<const double> less) {
  more = more.first(std::min(more.size(), kMost));
  less = less.first(std::min(less.size(), kMost));
  if (more.empty() || less.empty()) return 1;
  std::vector<std::pair<double, bool>> all;
  for (const double value : more) all.emplace_back(value, true);
  for (const double value : less) all.emplace_back(value, false);
  std::ranges::sort(all);
  Key key{.of = more.size(), .ties = {}};
  std::size_t sum = 0;  // of doubled ranks: those of ties are halves
  for (std::size_t begin = 0; begin < all.size();) {
    std::size_t end = begin;
    while (end < all.size() && all[end].first == all[begin].first) ++end;
    for (std::size_t i = begin; i < end; ++i) sum += all[i].second ? begin + end + 1 : 0;
    key.ties.push_back(static_cast<int>(end - begin));
    begin = end;
  }
  return tail(key)[sum];
}

const std::vector<double>& RankSum::tail(const Key& key) {
  const auto [found, fresh] = known_.try_emplace(key);
  std::vector<double>& out = found->second;
  if (!fresh) return out;
  std::vector<std::size_t> ranks;  // doubled
  for (std::size_t begin = 0; const int count : key.ties) {
    const std::size_t end = begin + static_cast<std::size_t>(count);
    ranks.insert(ranks.end(), end - begin, begin + end + 1);
    begin = end;
  }
  const std::size_t most = ranks.size() * (ranks.size() + 1);
  // Choices of so many numbers with that sum.
  std::vector<std::vector<double>> choices(key.of + 1, std::vector<double>(most + 1, 0));
  choices[0][0] = 1;
  for (const std::size_t rank : ranks)
    for (std::size_t chosen = key.of; chosen > 0; --chosen)
      for (std::size_t sum = most; sum >= rank; --sum)
        choices[chosen][sum] += choices[chosen - 1][sum - rank];
  double all = 0;
  for (const double count : choices[key.of]) all += count;
  out.assign(most + 1, 0);
  double above = 0;
  for (std::size_t sum = most + 1; sum-- > 0;) {
    above += choices[key.of][sum];
    out[sum] = above / all;
  }
  return out;
}

}  // namespace ktrial::stats
