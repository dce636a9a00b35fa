#include "harness/campaign/standing.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "harness/stats/compare.h"
#include "harness/stats/many.h"

namespace ktrial::campaign {
namespace {

using results::Standing;
using stats::Tally;

// More than this share of trials that judged nothing: the host is what was seen.
constexpr double kMostUnjudged = 1.0 / 3;

std::string told(Tally tally) { return fmt::format("{} of {}", tally.fails, tally.trials); }
std::string percent(double rate) { return fmt::format("{:.2g} %", 100 * rate); }

// Boschloo's test where it may decide; Fisher's p-value, which is never below it, elsewhere.
double p_value(Tally base, Tally worse) {
  const double rough = stats::fisher(base, worse);
  return rough > 10 * kAlarm ? rough : stats::boschloo(base, worse);
}

// Tonight against before, in both directions.
struct Comparison {
  Tally before, tonight;
  double worse = 1, better = 1;  // p-values
};

Comparison compare(Tally before, Tally tonight) {
  return {before, tonight, p_value(before, tonight), p_value(tonight, before)};
}

void correct(std::vector<Comparison*>& all) {
  std::vector<double> p;
  for (const Comparison* one : all) p.insert(p.end(), {one->worse, one->better});
  p = stats::holm(p);
  for (std::size_t i = 0; i < all.size(); ++i) {
    all[i]->worse = p[2 * i];
    all[i]->better = p[2 * i + 1];
  }
}

Judgement by_rates(const Comparison& c) {
  const std::string both =
      fmt::format("{} tonight, {} in the nights before", told(c.tonight), told(c.before));
  if (c.worse <= kAlarm)
    return {Standing::worse, fmt::format("{}: more (Boschloo, p={:.2g})", both, c.worse)};
  if (c.better <= kAlarm && c.tonight.fails == 0) {
    const double shown = 1 - std::pow(1 - c.before.rate(), static_cast<double>(c.tonight.trials));
    return {Standing::gone, fmt::format("{}: the old rate would have shown with {:.4g} % "
                                        "(Boschloo, p={:.2g})",
                                        both, 100 * shown, c.better)};
  }
  if (c.better <= kAlarm)
    return {Standing::better, fmt::format("{}: fewer (Boschloo, p={:.2g})", both, c.better)};
  const Tally all = c.before + c.tonight;
  if (all.fails == 0) return {Standing::clean, ""};
  return {Standing::flaky,
          fmt::format("{}: no difference shown; flaky at {}", both, percent(all.rate()))};
}

class Judge {
 public:
  Judge(const Seen& tonight, const Before& before,
        const std::function<bool(const std::string&, const std::string&)>& known)
      : tonight_(tonight), before_(before), known_(known) {}

  Standings judge() {
    gather();
    std::vector<Comparison*> all;
    for (auto* map : {&cells_, &signatures_})
      for (auto& [name, one] : *map)
        if (one.before.trials > 0 && one.before.fails + one.tonight.fails > 0) all.push_back(&one);
    correct(all);
    Standings out;
    for (const auto& [name, one] : signatures_) out.signatures[name] = of_signature(name, one);
    for (const auto& [name, cell] : tonight_.cells) {
      out.cells[name] = of_cell(name, cell);
      follow_signatures(name, out);
    }
    out.tests = {
        fmt::format("rates tonight against {} earlier night(s), pooled: Boschloo's exact test, "
                    "one-sided; Holm's correction over {} comparisons in both directions; level {}",
                    before_.nights.size(), all.size(), kAlarm),
        "new: a signature that no earlier night of this plan has seen; no test",
        fmt::format("what failures have in common: Fisher's exact test of each single factor, "
                    "Holm's correction; level {}",
                    0.05)};
    return out;
  }

 private:
  void gather() {
    std::set<std::string> signatures;
    for (const auto& [name, cell] : tonight_.cells) {
      Tally before;
      for (const Seen& night : before_.nights)
        if (const auto found = night.cells.find(name); found != night.cells.end())
          before = before + found->second.judged();
      cells_[name] = compare(before, cell.judged());
      for (const auto& [signature, count] : cell.signatures) signatures.insert(signature);
    }
    for (const Seen& night : before_.nights)
      for (const auto& [name, cell] : night.cells)
        for (const auto& [signature, count] : cell.signatures) signatures.insert(signature);
    for (const std::string& signature : signatures) {
      // Of cells that both have: what else a plan once had says nothing of tonight.
      Tally before;
      for (const Seen& night : before_.nights)
        for (const auto& [name, cell] : night.cells) {
          const auto now = tonight_.cells.find(name);
          if (now == tonight_.cells.end() || now->second.judged().trials == 0) continue;
          const auto count = cell.signatures.find(signature);
          before = before +
                   Tally{count == cell.signatures.end() ? 0 : count->second, cell.judged().trials};
        }
      signatures_[signature] = compare(before, tonight_.of(signature));
    }
  }

  bool fresh(const std::string& signature) const { return !before_.ever.contains(signature); }

  Judgement of_cell(const std::string& name, const SeenCell& cell) const {
    const Tally judged = cell.judged();
    if (judged.trials == 0)
      return {Standing::unknown, cell.trials() == 0
                                     ? "no trial"
                                     : fmt::format("none of {} trials was judged", cell.trials())};
    std::vector<std::string> news;
    bool all_known = judged.fails > 0;
    for (const auto& [signature, count] : cell.signatures) {
      const bool is_known = known_(signature, name);
      all_known &= is_known;
      if (!is_known && fresh(signature)) news.push_back(signature);
    }
    if (!news.empty())
      return {Standing::fresh,
              fmt::format("{} failed; {} was never seen before", told(judged), news.front())};
    if (all_known)
      return {Standing::known, fmt::format("{} failed, as the plan knows", told(judged))};
    if (judged.fails == 0 && cell.inconclusive > kMostUnjudged * cell.trials())
      return {Standing::unknown, fmt::format("host: {} of {} trials were not judged",
                                             cell.inconclusive, cell.trials())};
    const Comparison& rates = cells_.at(name);
    if (rates.before.trials == 0 && judged.fails > 0)
      return {Standing::flaky, fmt::format("{} failed; the cell has no history", told(judged))};
    Judgement out = by_rates(rates);
    if (out.standing == Standing::clean)
      out.why = fmt::format("0 of {} failed: rate < {} at {:.3g} %", judged.trials,
                            percent(stats::exact_upper(judged, before_.confidence)),
                            100 * before_.confidence);
    return out;
  }

  Judgement of_signature(const std::string& signature, const Comparison& rates) const {
    if (rates.tonight.fails > 0) {
      bool all_known = true;
      for (const auto& [name, cell] : tonight_.cells)
        if (cell.signatures.contains(signature)) all_known &= known_(signature, name);
      if (all_known) return {Standing::known, told(rates.tonight) + ", as the plan knows"};
      if (fresh(signature))
        return {Standing::fresh, told(rates.tonight) + ", never seen before tonight"};
      if (rates.before.trials == 0)
        return {Standing::flaky,
                fmt::format("{}; last seen before the nights that count, first in {}",
                            told(rates.tonight), before_.ever.at(signature))};
    }
    return rates.before.trials == 0 || rates.tonight.trials == 0
               ? Judgement{Standing::unknown, "nothing to compare"}
               : by_rates(rates);
  }

  // A cell has fewer trials than the night. Where all that it ever showed is gone by the test of
  // the whole night, so it is here.
  void follow_signatures(const std::string& name, Standings& out) const {
    Judgement& cell = out.cells.at(name);
    if (cell.standing != Standing::flaky || tonight_.cells.at(name).fail > 0) return;
    std::set<std::string> shown;
    for (const Seen& night : before_.nights)
      if (const auto found = night.cells.find(name); found != night.cells.end())
        for (const auto& [signature, count] : found->second.signatures) shown.insert(signature);
    const auto gone = [&out](const std::string& signature) {
      return out.signatures.at(signature).standing == Standing::gone;
    };
    if (shown.empty() || !std::ranges::all_of(shown, gone)) return;
    cell = {Standing::gone, fmt::format("{} failed; {} is gone from all its cells: {}",
                                        told(tonight_.cells.at(name).judged()), *shown.begin(),
                                        out.signatures.at(*shown.begin()).why)};
  }

  const Seen& tonight_;
  const Before& before_;
  const std::function<bool(const std::string&, const std::string&)>& known_;
  std::map<std::string, Comparison> cells_, signatures_;
};

}  // namespace

Tally Seen::of(const std::string& signature) const {
  Tally out;
  for (const auto& [name, cell] : cells) {
    const auto found = cell.signatures.find(signature);
    out = out + Tally{found == cell.signatures.end() ? 0 : found->second, cell.judged().trials};
  }
  return out;
}

Standings stand(const Seen& tonight, const Before& before,
                const std::function<bool(const std::string&, const std::string&)>& known) {
  return Judge(tonight, before, known).judge();
}

}  // namespace ktrial::campaign
