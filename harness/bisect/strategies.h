// The ways to bisect that the simulation compares, each against the same made-up world.
#pragma once

#include <cstdint>
#include <optional>
#include <random>
#include <vector>

#include "harness/bisect/graph.h"

namespace ktrial::bisect {

// A row of commits with one culprit, and what was spent on looking for it.
class World {
 public:
  World(int commits, double with_bug, double without_bug, std::uint64_t seed);

  bool run(int commit);  // true: it failed; builds the commit if that was not done yet

  int commits() const { return static_cast<int>(built_.size()); }
  int culprit() const { return culprit_; }
  std::int64_t runs() const { return runs_; }
  std::int64_t builds() const { return builds_; }

 private:
  double uniform();

  std::mt19937_64 random_;
  double with_bug_, without_bug_;
  std::vector<char> built_;
  int culprit_;
  std::int64_t runs_ = 0, builds_ = 0;
};

struct Goal {
  double confidence = 0.95;
  double build_cost = 10;
};

// Each returns the commit that it blames; nullopt: it gave up.
using Strategy = std::optional<int> (*)(World&, double with_bug, double without_bug, const Goal&);

// git bisect run with a script that tries 10 times and stops at the first fail.
std::optional<int> git_ten_tries(World&, double, double, const Goal&);
// The same with as many tries as the (known!) rate asks for: all halvings right with `confidence`.
std::optional<int> git_tuned_tries(World&, double with_bug, double, const Goal&);
// syzkaller's pkg/bisect: 20 runs at the failing end, then 10 at each commit, 20 once a fail
// rate under one half was seen; bad if any fails; gives up once the chance that all passing
// commits were truly good is under 0.66.
std::optional<int> syzkaller_rule(World&, double, double, const Goal&);
// engine.h with both rates given, with the background given, and with none.
std::optional<int> ktrial_given(World&, double with_bug, double without_bug, const Goal&);
std::optional<int> ktrial_background_given(World&, double, double without_bug, const Goal&);
std::optional<int> ktrial_unknown(World&, double, double, const Goal&);

}  // namespace ktrial::bisect
