#include "harness/bisect/theory.h"

#include <gtest/gtest.h>

#include <cmath>

namespace ktrial::bisect {
namespace {

TEST(TheoryTest, CapacityMatchesKnownChannels) {
  for (const double p : {0.05, 0.1, 0.2, 0.3, 0.5, 0.9}) {
    const double z_channel = std::log2(1 + p * std::pow(1 - p, (1 - p) / p));
    EXPECT_NEAR(capacity(p, 0), z_channel, 1e-12) << p;
  }
  EXPECT_NEAR(capacity(1, 0), 1, 1e-12);
  EXPECT_NEAR(capacity(0.89, 0.11), 1 - binary_entropy(0.11), 1e-12);  // binary symmetric
  EXPECT_NEAR(capacity(0.05, 0.02), 0.005, 5e-4);
  EXPECT_NEAR(capacity(0.9, 0.02), 0.692, 5e-4);
  EXPECT_EQ(capacity(0.3, 0.3), 0);
}

// The capacity is the largest mutual information over the share of bad commits tested.
TEST(TheoryTest, CapacityIsTheBestMutualInformation) {
  for (const double p : {0.07, 0.3, 0.9})
    for (const double q : {0.0, 0.02, 0.05}) {
      double best = 0;
      for (double bad = 0.001; bad < 1; bad += 0.001)
        best = std::max(best, binary_entropy(bad * p + (1 - bad) * q) - bad * binary_entropy(p) -
                                  (1 - bad) * binary_entropy(q));
      EXPECT_NEAR(capacity(p, q), best, 1e-5) << p << " " << q;
    }
}

TEST(TheoryTest, LowerBoundAndFloorMatchHandFigures) {
  const double bits = bits_needed(10, 0.95);
  EXPECT_NEAR(bits, 9.2136, 1e-4);
  EXPECT_NEAR(lower_bound(bits, 10, 1, 0.1, 0), 10 * bits + bits / capacity(0.1, 0), 1e-9);
  EXPECT_EQ(lower_bound(0, 10, 1, 0.1, 0), 0);
  EXPECT_TRUE(std::isinf(lower_bound(1, 10, 1, 0.1, 0.1)));
  EXPECT_NEAR(confirmation_floor(0.1, 0, 0.95), 25.15, 0.05);
  EXPECT_EQ(confirmation_floor(1, 0, 0.95), 0);  // one pass settles it: any exposure will do
}

}  // namespace
}  // namespace ktrial::bisect
