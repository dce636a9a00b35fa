// Outcomes as letters, for the tables of tests.
#pragma once

#include "results/record.h"

namespace ktrial::results {

inline constexpr auto P = Outcome::pass, F = Outcome::fail, I = Outcome::inconclusive;

}  // namespace ktrial::results
