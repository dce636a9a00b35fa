// Many tests at once: p-values that may be compared with one level. Pure.
#pragma once

#include <span>
#include <vector>

namespace ktrial::stats {

// Adjusted p-values, in the order given. Holm (1979): the chance of any false alarm among them is
// at most the level, however they depend on each other; for where one is dear.
std::vector<double> holm(std::span<const double> p_values);
// Benjamini and Hochberg (1995): of those below the level at most that share is false, on average,
// for independent tests.
std::vector<double> benjamini_hochberg(std::span<const double> p_values);

}  // namespace ktrial::stats
