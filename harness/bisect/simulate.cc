#include "harness/bisect/simulate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "harness/bisect/strategies.h"
#include "harness/bisect/theory.h"
#include "results/store/json.h"

namespace ktrial::bisect {
namespace {

constexpr struct {
  const char* name;
  Strategy run;
} kStrategies[] = {
    {"git bisect, 10 tries", git_ten_tries},
    {"git bisect, tries from known p", git_tuned_tries},
    {"syzkaller's rule (20, 10|20)", syzkaller_rule},
    {"ktrial, p and q given", ktrial_given},
    {"ktrial, p unknown, q given", ktrial_background_given},
    {"ktrial, p and q unknown", ktrial_unknown},
};

Status check(const SimulateOptions& options) {
  if (options.commits < 2 || options.commits > 100'000)
    return usage_error(fmt::format("{} commits: 2 to 100000 can be simulated", options.commits));
  if (options.trials < 1 || options.trials > 1'000'000)
    return usage_error(fmt::format("{} trials: 1 to 1000000 can be simulated", options.trials));
  if (!(options.build_cost >= 0) || !std::isfinite(options.build_cost))
    return usage_error(fmt::format("a build cannot cost {} runs", options.build_cost));
  if (!(options.confidence >= 0.5 && options.confidence < 1))
    return usage_error(fmt::format("confidence {} is not in [0.5, 1)", options.confidence));
  if (options.with_bug.empty() || options.without_bug.empty())
    return usage_error("no fail rates to simulate");
  for (const double p : options.with_bug)
    for (const double q : options.without_bug)
      if (!(q >= 0 && q < p && p <= 1))
        return usage_error(
            fmt::format("fail rates {} with the bug and {} without it: 0 <= "
                        "without < with <= 1 must hold",
                        p, q));
  return {};
}

Cell simulate_cell(const SimulateOptions& options, std::size_t strategy, double p, double q) {
  const Goal goal{options.confidence, options.build_cost};
  Cell cell{.strategy = kStrategies[strategy].name, .with_bug = p, .without_bug = q};
  for (int trial = 0; trial < options.trials; ++trial) {
    World world(options.commits, p, q, options.seed * 1'000'003u + static_cast<unsigned>(trial));
    const auto blamed = kStrategies[strategy].run(world, p, q, goal);
    cell.accuracy += blamed == world.culprit();
    cell.runs += static_cast<double>(world.runs());
    cell.builds += static_cast<double>(world.builds());
  }
  for (double* mean : {&cell.accuracy, &cell.runs, &cell.builds}) *mean /= options.trials;
  cell.cost = cell.runs + options.build_cost * cell.builds;
  const double bits = bits_needed(std::log2(options.commits), options.confidence);
  cell.bound_ratio = cell.cost / lower_bound(bits, options.build_cost, 1, p, q);
  return cell;
}

}  // namespace

Result<std::vector<Cell>> simulate(const SimulateOptions& options) {
  KTRIAL_TRY(check(options));
  std::vector<Cell> cells;
  for (const double q : options.without_bug)
    for (std::size_t s = 0; s < std::size(kStrategies); ++s)
      for (const double p : options.with_bug) cells.push_back(simulate_cell(options, s, p, q));
  return cells;
}

Result<std::string> simulate_json(const SimulateOptions& options) {
  results::Json out = {{"commits", options.commits},
                       {"trials", options.trials},
                       {"seed", options.seed},
                       {"build_cost", options.build_cost},
                       {"confidence", options.confidence},
                       {"cells", results::Json::array()}};
  for (const Cell& cell : KTRIAL_TRY(simulate(options)))
    out["cells"].push_back({{"strategy", cell.strategy},
                            {"with_bug", cell.with_bug},
                            {"without_bug", cell.without_bug},
                            {"accuracy", cell.accuracy},
                            {"runs", cell.runs},
                            {"builds", cell.builds},
                            {"cost", cell.cost},
                            {"bound_ratio", cell.bound_ratio}});
  return results::dump(results::document(std::move(out)));
}

Result<std::string> simulate_table(const SimulateOptions& options) {
  const std::vector<Cell> cells = KTRIAL_TRY(simulate(options));
  std::string out = fmt::format(
      "{} commits, {} trials a cell, confidence {}, a build costs {} runs, seed {}\n"
      "right: share of trials that found the culprit; cost: runs + {} x builds; "
      "/bound: cost over the least possible\n",
      options.commits, options.trials, options.confidence, options.build_cost, options.seed,
      options.build_cost);
  std::size_t at = 0;
  for (const double q : options.without_bug) {
    out += fmt::format("\nq = {} (a run without the bug fails)\n{:32}", q, "");
    for (const double p : options.with_bug)
      out += fmt::format(" | {:^35}", fmt::format("p = {}", p));
    out += fmt::format("\n{:32}", "strategy");
    for (std::size_t k = 0; k < options.with_bug.size(); ++k)
      out += fmt::format(" | {:>5} {:>6} {:>6} {:>7} {:>6}", "right", "runs", "builds", "cost",
                         "/bound");
    for (std::size_t s = 0; s < std::size(kStrategies); ++s) {
      out += fmt::format("\n{:32}", kStrategies[s].name);
      for (std::size_t k = 0; k < options.with_bug.size(); ++k, ++at)
        out += fmt::format(" | {:5.3f} {:6.1f} {:6.1f} {:7.1f} {:6.2f}", cells[at].accuracy,
                           cells[at].runs, cells[at].builds, cells[at].cost, cells[at].bound_ratio);
    }
    out += '\n';
  }
  return out;
}

}  // namespace ktrial::bisect
