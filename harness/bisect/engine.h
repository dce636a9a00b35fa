// The search for the commit that made the change, with a test that does not always fail.
//
// Pure: no clock, no I/O, no chance. The caller asks next(), does what it says, tells what came
// of it and asks again; the same events in the same order give the same steps, so a log of them
// (replay.h) resumes an interrupted search exactly. Asking again after every run is cheap and
// best: a planned number of runs is a plan only.
//
//   Engine engine(graph, settings);
//   while (const auto* test = std::get_if<TestCommit>(&step)) { build; run; engine.observe(...);
//   ... }
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "harness/bisect/beliefs.h"
#include "harness/bisect/choice.h"
#include "harness/bisect/skips.h"

namespace ktrial::bisect {

struct Settings {
  Direction direction = Direction::bug;
  double confidence = 0.95;     // of the answer, in [0.5, 1)
  Rates rates;                  // what is known of the fail rates
  Costs costs;                  // seconds, a first guess: measured ones take over
  std::vector<double> weights;  // prior over the graph's commits by index; empty: uniform
  // Before the search: fails wanted of the end that fails, within so many runs, and runs of
  // the end that does not (both ends named wrongly are found out here). 0: none.
  int failing_end_fails = 3;  // so many tell how often it comes
  int failing_end_max_runs = 120;
  int clean_end_runs = 0;
  std::optional<std::int64_t> max_runs;
  std::optional<double> max_seconds;
};

enum class Purpose { check_end, search, confirm };

// Run `commit` up to `runs` times; stop at the first fail.
struct TestCommit {
  CommitGraph::Index commit = 0;  // may be old_end()
  int runs = 0;
  Purpose purpose = Purpose::search;
};
struct Found {
  CommitGraph::Index commit = 0;
  double probability = 0;
};
// No test can tell these apart: all but the last (in graph order) cannot be tested.
struct Undecided {
  std::vector<CommitGraph::Index> commits;
  double probability = 0;  // that it is one of them
};
// The ends do not differ: the bug did not show at its end, or showed at the other one as well.
struct EndsAgree {
  bool both_fail = false;
  std::string why;
};
struct OutOfBudget {
  std::string why;
};
using Step = std::variant<TestCommit, Found, Undecided, EndsAgree, OutOfBudget>;

struct Spent {
  std::int64_t runs = 0, builds = 0;
  double seconds = 0;
};
// What is likely still to come; `least_seconds` is the bound that no strategy beats.
struct Projection {
  double runs = 0, builds = 0, seconds = 0;
  double least_runs = 0, least_seconds = 0;
};
// The runs of a commit and of its parents taken together (the old end if it has no other).
struct Evidence {
  Counts culprit, parents;
  double p_value = 1;        // Fisher's exact test, one-sided
  std::string text() const;  // "0/46 on parent, 9/31 on culprit, p<1e-4"
};

class Engine {
 public:
  using Index = CommitGraph::Index;
  // `graph` must outlive this. ErrorKind::usage for settings that make no sense.
  static Result<Engine> create(const CommitGraph& graph, Settings settings);

  Step next() const;
  // Commits worth building meanwhile: what would be tested next if `test` passes, or fails.
  std::vector<Index> speculative(const TestCommit& test) const;

  // `seconds` of wall time for all of `counts`, runs in parallel counted once.
  void observe(Index commit, const Counts& counts, double seconds);
  void built(Index commit, double seconds);  // also what was built speculatively
  void skip(Index commit, double seconds);   // cannot be built or tested; seconds spent on that

  const CommitGraph& graph() const { return belief().graph(); }
  const Settings& settings() const { return settings_; }
  const Belief& belief() const { return beliefs_.search(); }
  const Skips& skips() const { return skips_; }
  const Spent& spent() const { return spent_; }
  Projection projection() const;
  Evidence evidence(Index commit) const;

 private:
  Engine(const CommitGraph& graph, Settings settings);

  Step plan() const;  // as if what is used up were not
  std::optional<std::string> used_up() const;
  std::optional<Step> check_ends() const;
  std::optional<Step> check_budget() const;
  std::optional<Step> check_answer() const;
  std::optional<TestCommit> missing_confirmation(Index culprit) const;
  Choice choose(const Beliefs& beliefs, std::span<const char> built) const;
  Costs costs() const;
  double clean_exposure(Index parent, Index culprit) const;

  Settings settings_;
  Beliefs beliefs_;
  Chooser chooser_;
  Skips skips_;
  std::vector<char> built_;
  Spent spent_;
  double run_seconds_ = 0, build_seconds_ = 0;
};

}  // namespace ktrial::bisect
