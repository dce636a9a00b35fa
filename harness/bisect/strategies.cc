#include "harness/bisect/strategies.h"

#include <cmath>

#include "harness/bisect/engine.h"

namespace ktrial::bisect {

World::World(int commits, double with_bug, double without_bug, std::uint64_t seed)
    : random_(seed),
      with_bug_(with_bug),
      without_bug_(without_bug),
      built_(static_cast<std::size_t>(commits)),
      culprit_(std::min(commits - 1, static_cast<int>(uniform() * commits))) {}

// The standard's distributions differ between libraries; the generator does not.
double World::uniform() { return static_cast<double>(random_() >> 11) * 0x1p-53; }

bool World::run(int commit) {
  char& built = built_[static_cast<std::size_t>(commit)];
  builds_ += !built;
  built = 1;
  ++runs_;
  return uniform() < (commit >= culprit_ ? with_bug_ : without_bug_);
}

namespace {

bool fails_within(World& world, int commit, int tries) {
  for (int k = 0; k < tries; ++k)
    if (world.run(commit)) return true;
  return false;
}

template <class IsBad>
std::optional<int> halve(World& world, IsBad is_bad) {
  int good = -1, bad = world.commits() - 1;
  while (bad - good > 1) {
    const int middle = good + (bad - good) / 2;
    const std::optional<bool> verdict = is_bad(middle);
    if (!verdict) return std::nullopt;
    (*verdict ? bad : good) = middle;
  }
  return bad;
}

std::optional<int> search(World& world, const CommitGraph& graph, const Settings& settings) {
  auto engine = Engine::create(graph, settings);
  if (!engine) return std::nullopt;
  std::vector<char> built(graph.size());
  for (Step step = engine->next();; step = engine->next()) {
    if (const auto* found = std::get_if<Found>(&step)) return static_cast<int>(found->commit);
    const auto* test = std::get_if<TestCommit>(&step);
    if (!test) return std::nullopt;
    if (!built[test->commit]) engine->built(test->commit, settings.costs.build);
    built[test->commit] = 1;
    const bool failed = world.run(static_cast<int>(test->commit));
    Counts counts;
    (failed ? counts.fails : counts.passes) = 1;
    counts.exposure_millionths = failed ? 0 : 1'000'000;
    engine->observe(test->commit, counts, settings.costs.run);
  }
}

CommitGraph row_of(int commits) {
  std::vector<CommitInfo> row;
  for (int i = 0; i < commits; ++i) row.push_back({std::to_string(i)});
  return *CommitGraph::linear(std::move(row), "old");
}

Settings settings_for(const Goal& goal) {
  Settings settings;
  settings.confidence = goal.confidence;
  settings.costs = {.build = goal.build_cost, .run = 1, .parallel = 1};
  return settings;
}

}  // namespace

std::optional<int> git_ten_tries(World& world, double, double, const Goal&) {
  return halve(world, [&](int i) { return std::optional(fails_within(world, i, 10)); });
}

std::optional<int> git_tuned_tries(World& world, double with_bug, double, const Goal& goal) {
  const double halvings = std::max(1.0, std::ceil(std::log2(world.commits())));
  const double wrong = (1 - goal.confidence) / halvings;
  const int tries =
      with_bug >= 1
          ? 1
          : std::max(1, static_cast<int>(std::lround(std::log(wrong) / std::log(1 - with_bug))));
  return halve(world, [&](int i) { return std::optional(fails_within(world, i, tries)); });
}

std::optional<int> syzkaller_rule(World& world, double, double, const Goal&) {
  constexpr int kRuns = 20;
  constexpr double kFlaky = 0.5, kLeastConfidence = 0.66;
  auto ratio_of = [&](int commit, int runs) {
    int fails = 0;
    for (int k = 0; k < runs; ++k) fails += world.run(commit);
    return static_cast<double>(fails) / runs;
  };
  double chance = ratio_of(world.commits() - 1, kRuns), confidence = 1;
  if (chance == 0) return std::nullopt;
  bool flaky = chance < kFlaky;
  return halve(world, [&](int i) -> std::optional<bool> {
    const int runs = flaky ? kRuns : kRuns / 2;
    const double ratio = ratio_of(i, runs);
    if (ratio > 0) {
      flaky = flaky || ratio < kFlaky;
      chance = std::min(chance, (chance + ratio) / 2);
      return true;
    }
    confidence *= 1 - std::pow(1 - chance, runs);
    if (confidence < kLeastConfidence) return std::nullopt;
    return false;
  });
}

std::optional<int> ktrial_given(World& world, double with_bug, double without_bug,
                                const Goal& goal) {
  Settings settings = settings_for(goal);
  settings.rates = {with_bug, without_bug};
  settings.failing_end_fails = 0;
  return search(world, row_of(world.commits()), settings);
}

std::optional<int> ktrial_background_given(World& world, double, double without_bug,
                                           const Goal& goal) {
  Settings settings = settings_for(goal);
  settings.rates.without_bug = without_bug;
  return search(world, row_of(world.commits()), settings);
}

std::optional<int> ktrial_unknown(World& world, double, double, const Goal& goal) {
  return search(world, row_of(world.commits()), settings_for(goal));
}

}  // namespace ktrial::bisect
