#include "harness/campaign/compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "harness/base/text.h"
#include "harness/campaign/night.h"
#include "harness/stats/compare.h"
#include "harness/stats/many.h"
#include "results/store/json.h"

namespace ktrial::campaign {
namespace {

using stats::Known;
using stats::Tally;

// Both directions at half the level each.
Known verdict_of(double worse, double better, double alpha) {
  if (worse <= alpha / 2) return Known::worse;
  if (better <= alpha / 2) return Known::better;
  return Known::no_difference;
}

void add_shown_rate(Compared& out) {
  const Tally a = out.a.seen, b = out.b.seen;
  if (a.trials == 0 || b.trials == 0 || std::max(a.trials, b.trials) > stats::kMostExact) return;
  out.shown_rate =
      stats::difference_shown(a.trials, a.rate(), b.trials, (1 - out.confidence) / 2, kPower);
}

// "kernel=a workload=b cpus=2" -> "workload=b cpus=2".
std::string without_kernel(const std::string& cell) {
  std::string out;
  for (const std::string_view word : split(cell, ' '))
    if (!word.starts_with("kernel=")) out += (out.empty() ? "" : " ") + std::string(word);
  return out;
}

using Tallies = std::map<std::string, Tally>;
Tallies tallies_of(const Seen& seen, bool with_kernel) {
  Tallies out;
  for (const auto& [name, cell] : seen.cells) {
    Tally& tally = out[with_kernel ? name : without_kernel(name)];
    tally = tally + cell.judged();
  }
  return out;
}

std::vector<Compared::Cell> common_cells(const Seen& a, const Seen& b) {
  std::vector<Compared::Cell> out;
  for (const bool with_kernel : {true, false}) {
    const Tallies of_a = tallies_of(a, with_kernel), of_b = tallies_of(b, with_kernel);
    for (const auto& [name, tally] : of_a)
      if (const auto other = of_b.find(name);
          other != of_b.end() && tally.trials > 0 && other->second.trials > 0)
        out.push_back({name, tally, other->second});
    if (!out.empty()) break;
  }
  return out;
}

}  // namespace

void count(Side& side, const results::RunRecord& run, const std::string& signature) {
  for (const results::TrialRecord& trial : run.trials) {
    const results::Verdict& verdict = trial.verdict;
    if (verdict.kind == results::Kind::interrupted) continue;
    const bool other = verdict.outcome == results::Outcome::fail && !signature.empty() &&
                       verdict.signature != signature;
    if (verdict.outcome == results::Outcome::inconclusive || other) {
      ++side.inconclusive;
      continue;
    }
    side.seen = side.seen + Tally{verdict.outcome == results::Outcome::fail, 1};
  }
}

Compared compare_counts(Side a, Side b, double confidence) {
  Compared out{.a = std::move(a), .b = std::move(b), .confidence = confidence};
  out.test = "Boschloo's exact test, two-sided";
  if (out.a.seen.trials == 0 || out.b.seen.trials == 0) return out;
  const double worse = stats::boschloo(out.a.seen, out.b.seen);
  const double better = stats::boschloo(out.b.seen, out.a.seen);
  out.verdict = verdict_of(worse, better, 1 - confidence);
  out.p = std::min(1.0, 2 * std::min(worse, better));
  add_shown_rate(out);
  return out;
}

Compared compare_campaigns(Side a, const Seen& seen_a, Side b, const Seen& seen_b,
                           double confidence) {
  Compared out{.a = std::move(a), .b = std::move(b), .confidence = confidence};
  out.cells = common_cells(seen_a, seen_b);
  std::vector<double> p;
  for (Compared::Cell& cell : out.cells) {
    out.a.seen = out.a.seen + cell.a;
    out.b.seen = out.b.seen + cell.b;
    p.push_back(stats::boschloo(cell.a, cell.b));
    p.push_back(stats::boschloo(cell.b, cell.a));
  }
  out.test =
      fmt::format("Boschloo's exact test of each of {} cells, Holm's correction", out.cells.size());
  if (out.cells.empty()) return out;
  p = stats::holm(p);
  std::set<Known> seen;
  out.p = 1;
  for (std::size_t i = 0; i < out.cells.size(); ++i) {
    Compared::Cell& cell = out.cells[i];
    cell.p = std::min(p[2 * i], p[2 * i + 1]);
    // Holm's p-values are of both directions together.
    cell.verdict = verdict_of(p[2 * i], p[2 * i + 1], 2 * (1 - confidence));
    seen.insert(cell.verdict);
    out.p = std::min(*out.p, cell.p);
  }
  out.verdict = seen.contains(Known::worse)    ? Known::worse
                : seen.contains(Known::better) ? Known::better
                                               : Known::no_difference;
  add_shown_rate(out);
  return out;
}

namespace {

// Pairs in the order of their jobs: the i-th trial of A that was judged with the i-th of B.
class Sampler {
 public:
  Sampler(engine::Engine& engine, const run::Job& a, const run::Job& b, Sampled& out,
          const SampleOptions& options)
      : engine_(engine), jobs_{a, b}, out_(out), options_(options), test_(options.test) {}

  void run() {
    submit_more();
    while (auto done = engine_.next()) {
      take(std::move(*done));
      submit_more();
    }
    out_.compared.verdict = test_.known() == Known::not_yet ? Known::no_difference : test_.known();
    undecided_ = test_.known() == Known::not_yet;
    out_.compared.test = fmt::format(
        "Wald's sequential test on pairs, a look after each of {} pairs: odds of 1 against {:g}{}",
        test_.a().trials, options_.test.odds, undecided_ ? "; it did not come to an end" : "");
  }

 private:
  struct Open {
    int side = 0;
    double begun_s = 0;
  };

  bool over() const { return out_.error || test_.known() != Known::not_yet; }

  void submit_more() {
    while (!over() && std::ssize(open_) < options_.window) {
      const int side = static_cast<int>(submitted_ % 2);
      const double now = options_.now();
      if (submitted_ / 2 >= options_.most + unjudged_) return;
      if (options_.budget_s && now + longest_ > *options_.budget_s) return;
      const int pair = static_cast<int>(submitted_++ / 2);
      const auto id = engine_.submit(nth_job(jobs_[side], pair, options_.cold_share));
      open_[id] = {side, now};
      if (options_.on_begin) options_.on_begin(id, side == 0 ? "A" : "B");
    }
  }

  void take(engine::Done done) {
    const auto found = open_.find(done.job);
    if (found == open_.end()) return;
    const Open open = found->second;
    open_.erase(found);
    longest_ = std::max(longest_, options_.now() - open.begun_s);
    std::string text;
    Side& side = open.side == 0 ? out_.compared.a : out_.compared.b;
    const Tally before = side.seen;
    if (done.record) {
      count(side, *done.record, options_.signature);
      if (!done.record->trials.empty())
        text = std::string(name(done.record->trials.back().verdict.outcome));
    }
    if (side.seen.trials > before.trials) {
      judged_[open.side].push_back(side.seen.fails > before.fails);
      unjudged_in_a_row_ = 0;
    } else {
      text += problem(done.how);
    }
    if (options_.on_end) options_.on_end(done.job, text);
    look();
  }

  // Why nothing was judged; what would go on so ends it.
  std::string problem(const engine::How& how) {
    constexpr int kHopeless = 10;
    std::optional<Error> error;
    std::string text;
    if (const auto* finished = std::get_if<engine::Finished>(&how)) {
      if (finished->error) text = ": " + finished->error->message;
      if (finished->error && finished->error->kind == ErrorKind::usage) error = finished->error;
    } else if (const auto* lost = std::get_if<engine::Lost>(&how)) {
      text = "lost: " + lost->reason;
    } else if (!over()) {
      error = Error{ErrorKind::interrupted, "interrupted"};
    } else {
      return "";  // by us
    }
    ++unjudged_;
    if (++unjudged_in_a_row_ >= kHopeless)
      error = Error{ErrorKind::environment, "ten trials in a row were not judged" + text};
    if (error && !out_.error) {
      out_.error = std::move(error);
      end_all();
    }
    return text;
  }

  void look() {
    while (looked_ < judged_[0].size() && looked_ < judged_[1].size() && !over()) {
      test_.pair(judged_[0][looked_], judged_[1][looked_]);
      ++looked_;
      if (over()) end_all();
    }
  }

  void end_all() {
    for (const auto& [id, open] : open_) engine_.cancel(id);
  }

  engine::Engine& engine_;
  const run::Job jobs_[2];
  Sampled& out_;
  const SampleOptions& options_;
  stats::PairTest test_;
  std::map<engine::JobId, Open> open_;
  std::vector<bool> judged_[2];
  std::size_t looked_ = 0;
  std::int64_t submitted_ = 0, unjudged_ = 0;
  int unjudged_in_a_row_ = 0;
  double longest_ = 0;
  bool undecided_ = false;
};

std::string_view name(Known verdict) {
  switch (verdict) {
    case Known::worse:
      return "worse";
    case Known::better:
      return "better";
    case Known::no_difference:
      return "no_difference";
    case Known::not_yet:
      break;
  }
  return "unknown";
}

stats::Interval interval_of(const Compared& compared, const Side& side) {
  return compared.sampled ? stats::anytime_interval(side.seen, compared.confidence)
                          : stats::exact_interval(side.seen, compared.confidence);
}

results::Json side_json(const Compared& compared, const Side& side) {
  const auto interval = interval_of(compared, side);
  return {{"name", side.name},
          {"what", side.what},
          {"trials", side.seen.trials},
          {"fail", side.seen.fails},
          {"inconclusive", side.inconclusive},
          {"rate", {{"low", interval.low}, {"high", interval.high}}}};
}

}  // namespace

Sampled sample(engine::Engine& engine, const run::Job& a, const run::Job& b, Side side_a,
               Side side_b, const SampleOptions& options) {
  Sampled out{.compared = {.a = std::move(side_a),
                           .b = std::move(side_b),
                           .sampled = true,
                           .confidence = 1 - options.test.alpha},
              .error = {}};
  Sampler(engine, a, b, out, options).run();
  const bool nothing = out.compared.a.seen.trials == 0 || out.compared.b.seen.trials == 0;
  if (nothing) out.compared.verdict = Known::not_yet;
  add_shown_rate(out.compared);
  return out;
}

std::string compared_json(const Compared& c) {
  results::Json cells = results::Json::array();
  for (const Compared::Cell& cell : c.cells)
    cells.push_back({{"cell", cell.name},
                     {"verdict", name(cell.verdict)},
                     {"p", cell.p},
                     {"a", {{"trials", cell.a.trials}, {"fail", cell.a.fails}}},
                     {"b", {{"trials", cell.b.trials}, {"fail", cell.b.fails}}}});
  results::Json out{{"verdict", name(c.verdict)},
                    {"a", side_json(c, c.a)},
                    {"b", side_json(c, c.b)},
                    {"confidence", c.confidence},
                    {"p", c.p ? results::Json(*c.p) : results::Json()},
                    {"test", c.test},
                    {"sampled", c.sampled},
                    {"shown", {{"rate", c.shown_rate}, {"power", kPower}}},
                    {"cells", std::move(cells)}};
  return results::dump(results::document(std::move(out)));
}

std::string compared_text(const Compared& c) {
  std::string out;
  for (const auto& [letter, side] : {std::pair("A", &c.a), std::pair("B", &c.b)}) {
    const auto interval = interval_of(c, *side);
    out += fmt::format(
        "{}  {:>4} of {:<5} failed  {:5.1f} .. {:.1f} %  {} {}{}\n", letter, side->seen.fails,
        side->seen.trials, 100 * interval.low, 100 * interval.high, side->what, side->name,
        side->inconclusive > 0 ? fmt::format("  ({} not judged)", side->inconclusive) : "");
  }
  for (const Compared::Cell& cell : c.cells)
    if (cell.verdict != Known::no_difference)
      out +=
          fmt::format("   {}: {} of {} -> {} of {}, p={:.2g}: {}\n", name(cell.verdict),
                      cell.a.fails, cell.a.trials, cell.b.fails, cell.b.trials, cell.p, cell.name);
  switch (c.verdict) {
    case Known::worse:
      out += "B is worse";
      break;
    case Known::better:
      out += "B is better";
      break;
    case Known::no_difference:
      out += fmt::format("no difference seen; ") +
             (c.shown_rate < 1
                  ? fmt::format("of so many trials a rate of {:.3g} % in B would have been found "
                                "with {:.0f} %",
                                100 * c.shown_rate, 100 * kPower)
                  : "so few trials would have shown none");
      break;
    case Known::not_yet:
      out += "nothing is known: one of them was never judged";
  }
  out += c.p ? fmt::format(" (p={:.2g})\n", *c.p) : "\n";
  return out + "test  " + c.test + "\n";
}

}  // namespace ktrial::campaign
