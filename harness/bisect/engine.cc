#include "harness/bisect/engine.h"

#include <fmt/format.h>

#include <cmath>

#include "harness/bisect/theory.h"
#include "harness/stats/compare.h"

namespace ktrial::bisect {
namespace {

// Runs that the search takes above the bound, measured by simulation (simulate.h).
constexpr double kOverheadGiven = 1.3, kOverheadUnknown = 1.9;
// A clean end that fails is told from the failing one at this level.
constexpr double kEndsDiffer = 0.05;

stats::Tally judged(const Counts& counts) { return {counts.fails, counts.fails + counts.passes}; }

}  // namespace

Engine::Engine(const CommitGraph& graph, Settings settings)
    : settings_(std::move(settings)),
      beliefs_(graph, settings_.direction, settings_.rates, settings_.weights,
               settings_.confidence),
      chooser_(beliefs_.search()),
      skips_(graph),
      built_(graph.size()) {}

Result<Engine> Engine::create(const CommitGraph& graph, Settings settings) {
  if (!(settings.confidence >= 0.5 && settings.confidence < 1))
    return usage_error(fmt::format("confidence {} is not in [0.5, 1)", settings.confidence),
                       "0.95 is usual");
  KTRIAL_TRY(check(settings.rates));
  if (!(settings.costs.build >= 0 && settings.costs.run > 0 && settings.costs.parallel >= 1))
    return usage_error("a run must cost something, and at least one must go on at a time");
  if (!settings.weights.empty()) {
    if (settings.weights.size() != graph.size())
      return usage_error(
          fmt::format("{} prior weights for {} commits", settings.weights.size(), graph.size()));
    double sum = 0;
    for (const double weight : settings.weights) sum += weight >= 0 ? weight : NAN;
    if (!(sum > 0) || !std::isfinite(sum))
      return usage_error("prior weights must be finite, not negative and not all 0");
  }
  return Engine(graph, std::move(settings));
}

void Engine::observe(Index commit, const Counts& counts, double seconds) {
  beliefs_.add(commit, counts);
  spent_.runs += counts.runs();
  spent_.seconds += seconds;
  run_seconds_ += seconds;
}

void Engine::built(Index commit, double seconds) {
  ++spent_.builds;
  spent_.seconds += seconds;
  build_seconds_ += seconds;
  if (commit == graph().old_end()) return;
  built_[commit] = 1;
  skips_.works(commit);
}

void Engine::skip(Index commit, double seconds) {
  spent_.seconds += seconds;
  if (commit == graph().old_end()) return;
  built_[commit] = 0;
  skips_.skip(commit);
}

Costs Engine::costs() const {
  Costs out = settings_.costs;
  if (spent_.runs > 0 && run_seconds_ > 0)
    out.run = run_seconds_ / static_cast<double>(spent_.runs) * out.parallel;
  if (spent_.builds > 0 && build_seconds_ > 0)
    out.build = build_seconds_ / static_cast<double>(spent_.builds);
  return out;
}

Choice Engine::choose(const Beliefs& beliefs, std::span<const char> built) const {
  const Choosable what{built, skips_.chance()};
  const Choice choice = chooser_.choose(beliefs.leading(), costs(), what);
  return choice.runs > 0 ? choice : chooser_.choose(beliefs.search(), costs(), what);
}

Step Engine::next() const {
  Step step = plan();
  auto* test = std::get_if<TestCommit>(&step);
  if (test == nullptr) return step;
  if (auto why = used_up()) return OutOfBudget{*why};
  if (settings_.max_runs)
    test->runs =
        static_cast<int>(std::min<std::int64_t>(test->runs, *settings_.max_runs - spent_.runs));
  return step;
}

std::optional<std::string> Engine::used_up() const {
  if (settings_.max_runs && spent_.runs >= *settings_.max_runs)
    return fmt::format("all {} runs are used", *settings_.max_runs);
  if (settings_.max_seconds && spent_.seconds >= *settings_.max_seconds)
    return "the time is used up";
  return std::nullopt;
}

Step Engine::plan() const {
  if (auto step = check_ends()) return *step;
  if (auto step = check_answer()) return *step;
  if (auto step = check_budget()) return *step;
  const Choice choice = choose(beliefs_, built_);
  if (choice.runs > 0) return TestCommit{choice.commit, choice.runs, Purpose::search};
  std::vector<Index> rest;
  double probability = 0;
  for (const Index i : skips_.same_as(belief().best())) {
    rest.push_back(i);
    probability += belief().posterior()[i];
  }
  return Undecided{std::move(rest), probability};
}

// First the end that fails, as often as it takes to see it fail; then the other one.
std::optional<Step> Engine::check_ends() const {
  const bool bug = settings_.direction == Direction::bug;
  const Index failing = bug ? graph().new_end() : graph().old_end();
  const Index clean = bug ? graph().old_end() : graph().new_end();
  const Counts& at_failing = belief().counts(failing);
  const Counts& at_clean = belief().counts(clean);
  const std::int64_t left = settings_.failing_end_max_runs - at_failing.runs();
  if (at_failing.fails < settings_.failing_end_fails && left > 0)
    return TestCommit{failing, static_cast<int>(left), Purpose::check_end};
  if (settings_.failing_end_fails > 0 && at_failing.fails == 0)
    return EndsAgree{
        false, fmt::format("{} did not fail in {} runs", graph().id(failing), at_failing.runs())};
  if (at_clean.runs() < settings_.clean_end_runs)
    return TestCommit{clean, static_cast<int>(settings_.clean_end_runs - at_clean.runs()),
                      Purpose::check_end};
  if (at_clean.fails > 0 && settings_.clean_end_runs > 0 &&
      stats::fisher(judged(at_clean), judged(at_failing)) > kEndsDiffer)
    return EndsAgree{true, fmt::format("{} failed too, in {} of {} runs", graph().id(clean),
                                       at_clean.fails, at_clean.runs())};
  return std::nullopt;
}

std::optional<Step> Engine::check_answer() const {
  const double wanted = settings_.confidence;
  const Index best = belief().best();
  const double probability = belief().posterior()[best];
  if (skips_.any()) {
    const std::vector<Index> same = skips_.same_as(best);
    double sum = 0;
    for (const Index i : same) sum += belief().posterior()[i];
    if (same.size() > 1 && sum >= wanted) return Undecided{same, sum};
  }
  if (!beliefs_.agreed(best)) return std::nullopt;
  if (auto test = missing_confirmation(best)) return *test;
  return Found{best, probability};
}

// Runs without the failure at commits that contain `parent` but not `culprit`.
double Engine::clean_exposure(Index parent, Index culprit) const {
  double sum = 0;
  for (Index i = parent; i < graph().size(); ++i)
    if (belief().counts(i).runs() > 0 && graph().contains(i, parent) &&
        !graph().contains(i, culprit))
      sum += belief().counts(i).exposure();
  return sum;
}

// The side without the bug must have passed often enough, the other one must have failed.
std::optional<TestCommit> Engine::missing_confirmation(Index culprit) const {
  const RatePair rates = belief().mean_rates();
  // However sure a single fail is, the other side must have passed at least once.
  const double floor =
      std::max(1.0, confirmation_floor(rates.with_bug, rates.without_bug, settings_.confidence));
  auto clean = [&](Index commit, double exposure) -> std::optional<TestCommit> {
    if (exposure >= floor || skips_.skipped(commit)) return std::nullopt;
    return TestCommit{commit, static_cast<int>(std::ceil(floor - exposure)), Purpose::confirm};
  };
  auto failed = [&](Index commit) -> std::optional<TestCommit> {
    // One fail may be background, and how rare that is has hardly been seen.
    const int wanted = settings_.rates.without_bug ? 1 : 2;
    if (belief().counts(commit).fails >= wanted || skips_.skipped(commit)) return std::nullopt;
    return TestCommit{commit, static_cast<int>(std::ceil(2 / rates.with_bug)), Purpose::confirm};
  };
  const bool bug = settings_.direction == Direction::bug;
  if (auto test = bug ? failed(culprit) : clean(culprit, belief().counts(culprit).exposure()))
    return test;
  for (const Index parent : graph().parents(culprit))
    if (auto test = bug ? clean(parent, clean_exposure(parent, culprit)) : failed(parent))
      return test;
  return std::nullopt;
}

// Whether the rest could do at all.
std::optional<Step> Engine::check_budget() const {
  if (used_up() || (!settings_.max_runs && !settings_.max_seconds)) return std::nullopt;
  const Projection left = projection();
  if (settings_.max_runs) {
    const double runs = static_cast<double>(*settings_.max_runs - spent_.runs);
    if (left.least_runs > runs)
      return OutOfBudget{fmt::format(
          "{:.0f} runs are left, but at a fail rate of {:.2g} no strategy needs fewer than {:.0f}",
          runs, belief().mean_rates().with_bug, left.least_runs)};
  }
  if (settings_.max_seconds) {
    const double seconds = *settings_.max_seconds - spent_.seconds;
    if (left.least_seconds > seconds)
      return OutOfBudget{fmt::format(
          "{:.0f} s are left, but at a fail rate of {:.2g} no strategy needs less than {:.0f} s",
          seconds, belief().mean_rates().with_bug, left.least_seconds)};
  }
  return std::nullopt;
}

Projection Engine::projection() const {
  const RatePair rates = belief().mean_rates();
  const Costs cost = costs();
  const double bits = bits_needed(belief().entropy(), settings_.confidence);
  const double per_run = capacity(rates.with_bug, rates.without_bug);
  Projection out;
  out.least_runs = per_run > 0 ? bits / per_run : 0;
  // Builds bound the number of distinct commits only while none of the built ones still tells.
  out.least_seconds = out.least_runs * cost.run / cost.parallel;
  const Index best = belief().best();
  double confirm = 0;
  if (auto test = missing_confirmation(best)) confirm = test->runs;
  out.runs = std::max(
      (settings_.rates.with_bug ? kOverheadGiven : kOverheadUnknown) * out.least_runs, confirm);
  out.builds = bits;
  out.seconds = out.builds * cost.build + out.runs * cost.run / cost.parallel;
  return out;
}

std::vector<Engine::Index> Engine::speculative(const TestCommit& test) const {
  std::vector<Index> out;
  if (test.commit == graph().old_end()) return out;
  std::vector<char> built = built_;
  built[test.commit] = 1;
  auto consider = [&](const Counts& outcome) {
    Beliefs then = beliefs_;
    then.add(test.commit, outcome);
    const Choice choice = choose(then, built);
    if (choice.runs > 0 && choice.commit != test.commit && !built[choice.commit] &&
        std::ranges::find(out, choice.commit) == out.end())
      out.push_back(choice.commit);
  };
  consider({.passes = test.runs, .exposure_millionths = test.runs * 1'000'000LL});
  consider({.fails = 1});
  return out;
}

Evidence Engine::evidence(Index commit) const {
  Evidence out{.culprit = belief().counts(commit), .parents = {}};
  for (const Index parent : graph().parents(commit)) out.parents.add(belief().counts(parent));
  if (graph().parents(commit).empty()) out.parents = belief().counts(graph().old_end());
  const bool bug = settings_.direction == Direction::bug;
  const Counts& failing = bug ? out.culprit : out.parents;
  const Counts& clean = bug ? out.parents : out.culprit;
  out.p_value = stats::fisher(judged(clean), judged(failing));
  return out;
}

std::string Evidence::text() const {
  auto ratio = [](const Counts& c) { return fmt::format("{}/{}", c.fails, c.fails + c.passes); };
  // Rounded up, to one digit or to a power of ten: a claim that holds.
  const double tens = std::floor(std::log10(std::max(p_value, 1e-300)));
  std::string p;
  if (p_value >= 0.1)
    p = fmt::format("p={:.2f}", p_value);
  else if (p_value >= 1e-3)
    p = fmt::format("p<{:g}", (std::floor(p_value / std::pow(10, tens)) + 1) * std::pow(10, tens));
  else
    p = fmt::format("p<1e{:.0f}", tens + 1);
  return fmt::format("{} on parent, {} on culprit, {}", ratio(parents), ratio(culprit), p);
}

}  // namespace ktrial::bisect
