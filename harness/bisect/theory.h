// What bisection with a flaky test costs at least, and how strong its evidence is.
//
// Rates are probabilities that one run fails: p with the bug, q without it (0 <= q < p <= 1).
// All logarithms are of base 2; nothing here allocates or fails.
#pragma once

namespace ktrial::bisect {

double binary_entropy(double x);        // bits; 0 outside (0, 1)
double divergence(double x, double y);  // D(x||y) of two coins, bits; may be infinite

// Bits that one run can tell at most: the capacity of the binary asymmetric channel with
// crossovers p and q (Silverman 1955); for q = 0 that of the Z-channel.
double capacity(double p, double q);

// Bits that the search for one of `entropy_bits` must gain to be right with `confidence`
// (Fano's inequality): (1-d) H - h(d), d = 1 - confidence; never below 0.
double bits_needed(double entropy_bits, double confidence);

// No strategy spends less on average: each distinct commit tells at most one bit, each run at
// most capacity(p, q). In the unit of the two costs.
double lower_bound(double bits, double build_cost, double run_cost, double p, double q);

// Passes (in runs) at the parent of the culprit that `confidence` needs at least (change of
// measure, Wald's lower bound): (1-2d) log2((1-d)/d) / D(q||p).
double confirmation_floor(double p, double q, double confidence);

}  // namespace ktrial::bisect
