#include "harness/bundle/seeds.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "harness/base/file.h"
#include "harness/spec/parse.h"
#include "harness/stats/many.h"
#include "harness/stats/ranks.h"
#include "harness/trial/exact_paths.h"
#include "results/report/report.h"
#include "results/store/json.h"
#include "results/store/json_fields.h"

namespace ktrial::bundle {
namespace fs = std::filesystem;
using introspect::SymbolTable;
using results::Json;
using results::printable;

namespace {

constexpr std::size_t kMostPaths = 64u << 20;     // bytes of a file
constexpr std::uint64_t kSlideStep = 1 << 20;     // no kernel's image is moved by less
constexpr std::uint64_t kLastFunction = 1 << 12;  // of the image, at most
constexpr std::uint64_t kNotKernel = 1;           // as a jump's origin
constexpr std::size_t kShownMore = 20, kShownLess = 5;
constexpr char kMake[] =
    "`ktrial run --deterministic --repeat 20` makes seeds; if all fail or all pass, run some with "
    "another --set or --shift, and name that run by --diff";

// By trial, failing ones first: what each ran of something.
using Values = std::vector<double>;

double median_of(Values values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + std::ssize(values) / 2;
  std::ranges::nth_element(values, middle);
  if (values.size() % 2 == 1) return *middle;
  return (*middle + *std::max_element(values.begin(), middle)) / 2;
}

class Ranking {
 public:
  explicit Ranking(const SeedsDiff& diff) : failing_(diff.failing.size()) {}

  // Two-sided; `more`: failing ones run more of it.
  Usage judge(std::string what, const Values& values, bool& more) {
    const std::span<const double> all(values);
    const auto failing = all.first(failing_), passing = all.subspan(failing_);
    Usage out{.what = std::move(what)};
    const double higher = ranks_.higher(failing, passing), lower = ranks_.higher(passing, failing);
    more = higher < lower;
    out.p = std::min(1.0, 2 * std::min(higher, lower));
    const auto ran = [](auto side) {
      return stats::Tally{std::ranges::count_if(side, [](double value) { return value > 0; }),
                          std::ssize(side)};
    };
    out.failing = ran(failing);
    out.passing = ran(passing);
    out.failing_median = median_of({failing.begin(), failing.end()});
    out.passing_median = median_of({passing.begin(), passing.end()});
    return out;
  }

 private:
  std::size_t failing_;
  stats::RankSum ranks_;
};

// How many times as much, for the order of what is equally clear.
double times_as_much(const Usage& usage) {
  return std::abs(std::log((usage.failing_median + 1) / (usage.passing_median + 1)));
}

bool clearer(const Usage& a, const Usage& b) {
  return std::pair(a.p, -times_as_much(a)) < std::pair(b.p, -times_as_much(b));
}

struct UsedFunction {
  Values values;
  std::map<std::uint64_t, Values> blocks;  // by offset
};

std::map<std::string, UsedFunction> by_function(const SymbolTable& symbols, const SeedsDiff& diff) {
  std::map<std::string, UsedFunction> out;
  const std::size_t all = diff.failing.size() + diff.passing.size();
  std::uint64_t end = 0;  // of the image
  for (const introspect::Symbol& symbol : symbols.all())
    if (symbol.module.empty()) end = symbol.address;
  std::size_t trial = 0;
  for (const auto* side : {&diff.failing, &diff.passing})
    for (const Seed& seed : *side) {
      for (const vm::Paths::Block& block : seed.paths.blocks) {
        const std::uint64_t address = block.address - seed.slide;
        if (address > end + kLastFunction) continue;
        const auto place = symbols.find(address);
        if (!place || !place->symbol->module.empty()) continue;
        UsedFunction& function = out[place->symbol->name];
        function.values.resize(all);
        function.values[trial] += static_cast<double>(block.instructions);
        Values& of_block = function.blocks[place->offset];
        of_block.resize(all);
        of_block[trial] += static_cast<double>(block.visits);
      }
      ++trial;
    }
  return out;
}

Usage clearest_block(const UsedFunction& function, Ranking& ranking, bool more) {
  std::optional<Usage> best;
  for (const auto& [offset, values] : function.blocks) {
    bool more_of_it = false;
    const Usage usage = ranking.judge(fmt::format("+{:#x}", offset), values, more_of_it);
    if (more_of_it == more && (!best || clearer(usage, *best))) best = usage;
  }
  return best.value_or(Usage{});
}

// Takes the deterministic trials of a run.
Status collect(const Kept& kept, SeedsDiff& diff, std::map<std::string, int>& signatures) {
  for (const results::TrialRecord& trial : kept.run.trials) {
    const std::string name = fmt::format("{}, trial {}", kept.name, trial.index);
    if (!trial.determinism) {
      diff.left_out.push_back(name + ": not deterministic");
      continue;
    }
    const auto outcome = trial.verdict.outcome;
    const bool sure = trial.determinism->parted.empty();
    if (outcome == results::Outcome::inconclusive || !sure) {
      diff.left_out.push_back(name + (sure ? ": was not judged" : ": two runs were not equal"));
      continue;
    }
    const auto text = read_file(trial.artifacts / trial::kPathsFile, kMostPaths);
    if (!text) {
      diff.left_out.push_back(name + ": has no " + trial::kPathsFile + "; run it again");
      continue;
    }
    auto paths = trial::parse_paths(*text);
    if (!paths)
      return std::unexpected(
          std::move(paths).error().in((trial.artifacts / trial::kPathsFile).string()));
    const bool failed = outcome == results::Outcome::fail;
    if (failed) ++signatures[trial.verdict.signature];
    (failed ? diff.failing : diff.passing).push_back({kept.name, &kept, &trial, *std::move(paths)});
  }
  return {};
}

// Of failures, the one that comes most.
void keep_one_failure(SeedsDiff& diff, const std::map<std::string, int>& signatures) {
  const auto most =
      std::ranges::max_element(signatures, {}, [](const auto& s) { return s.second; });
  std::erase_if(diff.failing, [&](const Seed& seed) {
    const bool other = seed.trial->verdict.signature != most->first;
    if (other)
      diff.left_out.push_back(fmt::format("{}, trial {}: another failure, {}", seed.run,
                                          seed.trial->index, seed.trial->verdict.signature));
    return other;
  });
  diff.failure = diff.failing.front().trial->verdict;
}

Status check_one_kernel(const SeedsDiff& diff) {
  const std::string& kernel = diff.failing.front().trial->determinism->kernel_sha256;
  for (const auto* side : {&diff.failing, &diff.passing})
    for (const Seed& seed : *side)
      if (seed.trial->determinism->kernel_sha256 != kernel)
        return usage_error(
            fmt::format("{} and {} are of two kernels, whose code cannot be compared",
                        diff.failing.front().run, seed.run));
  return {};
}

std::optional<Fork::Step> step_of(const std::vector<vm::Visit>& jumps, std::size_t at,
                                  const SymbolTable& symbols) {
  if (at >= jumps.size()) return std::nullopt;
  const vm::Visit& jump = jumps[at];
  return Fork::Step{
      jump.instructions,
      jump.target <= kNotKernel ? "(not in the kernel)" : symbols.describe(jump.target),
      symbols.describe(jump.address)};
}

std::string step_text(const std::optional<Fork::Step>& step) {
  if (!step) return "jumps no more";
  return fmt::format("{:>12}  {} -> {}", step->instructions, step->from, step->to);
}

std::string share_of(stats::Tally tally) { return fmt::format("{}/{}", tally.fails, tally.trials); }

std::string row_text(std::size_t number, const UsageRow& row) {
  const Usage &f = row.function, &b = row.block;
  return fmt::format(
      "  {:>3}  {:<8.2g} {:>6} {:>13.0f}  {:>6} {:>13.0f}   {:<32} {} ({} against {})\n", number,
      f.q, share_of(f.failing), f.failing_median, share_of(f.passing), f.passing_median,
      printable(f.what), b.what, share_of(b.failing), share_of(b.passing));
}

Json to_json(const Usage& usage) {
  return {{"what", usage.what},
          {"p", usage.p},
          {"q", usage.q},
          {"failing", {{"ran", usage.failing.fails}, {"of", usage.failing.trials}}},
          {"passing", {{"ran", usage.passing.fails}, {"of", usage.passing.trials}}},
          {"failing_median", usage.failing_median},
          {"passing_median", usage.passing_median}};
}

Json to_json(const std::optional<Fork::Step>& step) {
  if (!step) return nullptr;
  return {{"instructions", step->instructions}, {"from", step->from}, {"to", step->to}};
}

Json to_json(const std::vector<Seed>& seeds) {
  Json out = Json::array();
  for (const Seed& seed : seeds)
    out.push_back({{"run", seed.run},
                   {"trial", seed.trial->index},
                   {"seed", seed.trial->determinism->seed},
                   {"shift", seed.trial->determinism->shift}});
  return out;
}

}  // namespace

void find_slides(SeedsDiff& diff) {
  const auto begin_of = [](const Seed& seed) {
    return seed.paths.blocks.empty() ? 0 : seed.paths.blocks.front().address;
  };
  const std::uint64_t base = begin_of(diff.failing.front());
  for (auto* side : {&diff.failing, &diff.passing})
    std::erase_if(*side, [&](Seed& seed) {
      seed.slide = begin_of(seed) - base;
      const bool wrong = seed.slide % kSlideStep != 0;
      if (wrong)
        diff.left_out.push_back(fmt::format("{}, trial {}: where its kernel lies is not known",
                                            seed.run, seed.trial->index));
      return wrong;
    });
}

void rank_usage(const SymbolTable& symbols, SeedsDiff& diff) {
  const auto functions = by_function(symbols, diff);
  Ranking ranking(diff);
  std::vector<std::pair<UsageRow, bool>> rows;  // with: failing ones run more of it
  std::vector<double> chances;
  for (const auto& [name, function] : functions) {
    auto& [row, more] = rows.emplace_back();
    row.function = ranking.judge(name, function.values, more);
    chances.push_back(row.function.p);
  }
  const auto adjusted = stats::benjamini_hochberg(chances);
  diff.functions = rows.size();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    rows[i].first.function.q = adjusted[i];
    (rows[i].second ? diff.more : diff.less).push_back(std::move(rows[i].first));
  }
  for (auto* side : {&diff.more, &diff.less}) {
    std::ranges::stable_sort(*side, clearer, &UsageRow::function);
    side->resize(std::min(side->size(), side == &diff.more ? kShownMore : kShownLess));
    for (UsageRow& row : *side)
      row.block = clearest_block(functions.at(row.function.what), ranking, side == &diff.more);
  }
}

std::vector<std::uint64_t> first_other_marks(const vm::Paths& a, const vm::Paths& b) {
  std::vector<std::uint64_t> out;
  for (std::size_t cpu = 0; cpu < std::min(a.marks.size(), b.marks.size()); ++cpu) {
    const auto [x, y] = std::ranges::mismatch(a.marks[cpu], b.marks[cpu]);
    out.push_back(static_cast<std::uint64_t>(x - a.marks[cpu].begin()) * vm::kJumpsOfAMark);
  }
  return out;
}

std::vector<Fork> part(const std::vector<vm::Visit>& failing, const std::vector<vm::Visit>& passing,
                       const std::vector<std::uint64_t>& from, const SymbolTable& symbols,
                       std::uint64_t slide) {
  std::vector<Fork> out;
  const auto of = [](const std::vector<vm::Visit>& all, unsigned cpu, std::uint64_t moved) {
    std::vector<vm::Visit> jumps;
    for (const vm::Visit& visit : all) {
      if (visit.what != vm::Visit::What::jump || visit.cpu != cpu) continue;
      vm::Visit& jump = jumps.emplace_back(visit);
      jump.address -= moved;
      if (jump.target > kNotKernel) jump.target -= moved;
    }
    return jumps;
  };
  for (unsigned cpu = 0; cpu < from.size(); ++cpu) {
    const auto a = of(failing, cpu, 0), b = of(passing, cpu, slide);
    const auto [x, y] = std::ranges::mismatch(a, b, [](const vm::Visit& m, const vm::Visit& n) {
      return m.address == n.address && m.target == n.target;
    });
    if (x == a.end() && y == b.end()) continue;
    const auto same = static_cast<std::size_t>(x - a.begin());
    out.push_back({cpu, from[cpu] + same, step_of(a, same, symbols), step_of(b, same, symbols)});
  }
  std::ranges::stable_sort(out, {}, [](const Fork& one) {
    return one.failing ? one.failing->instructions : one.passing->instructions;
  });
  return out;
}

Result<SeedsDiff> diff_seeds(const std::vector<Kept>& runs, const Choices& choices,
                             const run::Sink& sink) {
  SeedsDiff out;
  std::map<std::string, int> signatures;
  for (const Kept& run : runs) KTRIAL_TRY(collect(run, out, signatures));
  if (out.failing.empty() || out.passing.empty()) {
    const std::string why = out.left_out.empty() ? "" : "; left out: " + out.left_out.front();
    return usage_error(fmt::format("{} trials fail and {} pass: both kinds are needed{}",
                                   out.failing.size(), out.passing.size(), why),
                       kMake);
  }
  keep_one_failure(out, signatures);
  KTRIAL_TRY(check_one_kernel(out));
  find_slides(out);
  if (out.passing.empty()) return usage_error(out.left_out.back());
  const Seed &fails = out.failing.front(), &passes = out.passing.front();
  const auto from = first_other_marks(fails.paths, passes.paths);
  const auto bad = KTRIAL_TRY(replay_way(*fails.kept, *fails.trial, choices, from, sink));
  rank_usage(bad.map.symbols, out);
  const auto good = KTRIAL_TRY(replay_way(*passes.kept, *passes.trial, choices, from, sink));
  out.partings = part(bad.jumps, good.jumps, from, bad.map.symbols, passes.slide);
  if (out.partings.empty()) out.no_partings = "all jumps that were recorded are the same";
  return out;
}

std::string text_of(const SeedsDiff& diff) {
  std::string out = fmt::format("{} seeds fail, {} pass: {}\n", diff.failing.size(),
                                diff.passing.size(), printable(in_short(diff.failure)));
  for (const std::string& note : diff.left_out) out += "  left out: " + printable(note) + "\n";
  out += fmt::format(
      "\nFunctions that failing runs run more of, of {} (exact rank sum, two-sided; q after "
      "Benjamini "
      "and Hochberg):\n"
      "       q        failing: runs, median    passing: runs, median   function{:24} block that "
      "tells most\n",
      diff.functions, "");
  for (std::size_t i = 0; i < diff.more.size(); ++i) out += row_text(i + 1, diff.more[i]);
  out += "\nThat they run less of:\n";
  for (std::size_t i = 0; i < diff.less.size(); ++i) out += row_text(i + 1, diff.less[i]);
  const auto seed = [](const Seed& one) {
    return fmt::format("{}, trial {} (seed {})", printable(one.run), one.trial->index,
                       one.trial->determinism->seed);
  };
  out += fmt::format(
      "\nWhere {} parts from {}, each vCPU's jumps in the kernel, the earliest first:\n",
      seed(diff.failing.front()), seed(diff.passing.front()));
  for (const Fork& one : diff.partings)
    out += fmt::format("  vCPU {}, after {} jumps\n    failing  {}\n    passing  {}\n", one.cpu,
                       one.jumps, step_text(one.failing), step_text(one.passing));
  if (!diff.no_partings.empty()) out += "  " + diff.no_partings + "\n";
  return out;
}

std::string json_of(const SeedsDiff& diff) {
  const auto rows = [](const std::vector<UsageRow>& all) {
    Json out = Json::array();
    for (const UsageRow& row : all)
      out.push_back({{"function", to_json(row.function)}, {"block", to_json(row.block)}});
    return out;
  };
  Json partings = Json::array();
  for (const Fork& one : diff.partings)
    partings.push_back({{"cpu", one.cpu},
                        {"jumps", one.jumps},
                        {"failing", to_json(one.failing)},
                        {"passing", to_json(one.passing)}});
  return results::dump(results::document({{"mode", "seeds"},
                                          {"signature", diff.failure.signature},
                                          {"failing", to_json(diff.failing)},
                                          {"passing", to_json(diff.passing)},
                                          {"left_out", results::strings(diff.left_out)},
                                          {"functions", diff.functions},
                                          {"more", rows(diff.more)},
                                          {"less", rows(diff.less)},
                                          {"partings", partings}}));
}

}  // namespace ktrial::bundle
