// What failures have in common: single factors ("kernel=6.19.6", "cpus>=4"), each by an exact test,
// corrected for how many were tried. Pure.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "harness/stats/rate.h"

namespace ktrial::stats {

// Trials that share their axes' values; every group has the same axes in the same order.
struct Group {
  std::vector<std::pair<std::string, std::string>> axes;
  Tally seen;
};

struct Factor {
  std::string text;   // "kernel=6.19.6", "cpus>=4"
  bool only = false;  // no failure is without it
  double p = 1;       // Fisher's, after Holm
  Tally with, without;
};

// The factor that the failures keep to most clearly; nothing: none does at the level `alpha`.
std::optional<Factor> common_factor(std::span<const Group> groups, double alpha);

}  // namespace ktrial::stats
