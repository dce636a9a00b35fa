#include "harness/campaign/assemble.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <tuple>

#include "harness/base/text.h"
#include "harness/campaign/moves.h"
#include "harness/stats/association.h"

namespace ktrial::campaign {
namespace {

using results::Outcome;
using results::Standing;

constexpr double kAssociated = 0.05;

double seconds_since_epoch(results::TimePoint time) {
  return std::chrono::duration<double>(time.time_since_epoch()).count();
}

std::string goal_text(const spec::Plan& plan, stats::Tally judged) {
  const spec::Goal& goal = plan.goal;
  const double confidence = plan.confidence;
  switch (goal.kind) {
    case spec::Goal::Kind::none:
      return "";
    case spec::Goal::Kind::trials:
      return judged.trials >= goal.trials
                 ? fmt::format("{} trials: reached", goal.trials)
                 : fmt::format("{} trials: {} so far", goal.trials, judged.trials);
    case spec::Goal::Kind::until_fail:
      return judged.fails > 0 ? "until it fails: it did" : "until it fails: not yet";
    case spec::Goal::Kind::rate_below:
      break;
  }
  const std::string wanted =
      fmt::format("rate < {:.3g} % at {:.3g} %", 100 * goal.rate_below, 100 * confidence);
  if (stats::surely_below(judged, goal.rate_below, confidence)) return wanted + ": reached";
  if (stats::surely_below({judged.passes(), judged.trials}, 1 - goal.rate_below, confidence))
    return wanted + ": refuted, it is above";
  return fmt::format("{}: not yet, it is < {:.3g} %", wanted,
                     100 * stats::anytime_upper(judged, confidence));
}

results::RateInterval rate_of(const spec::Plan& plan, stats::Tally judged) {
  // Only a goal on the rate lets what is seen decide how long one looks.
  const auto interval = plan.goal.kind == spec::Goal::Kind::rate_below
                            ? stats::anytime_interval(judged, plan.confidence)
                            : stats::exact_interval(judged, plan.confidence);
  return {interval.low, interval.high};
}

int urgency(const results::CampaignSignature& one) {
  if (one.known && one.known->expired && one.count > 0) return 1;
  switch (one.standing) {
    case Standing::fresh:
      return 0;
    case Standing::worse:
      return 2;
    case Standing::flaky:
      return 3;
    case Standing::better:
      return 4;
    case Standing::known:
      return 5;
    case Standing::gone:
      return 6;
    case Standing::unknown:
    case Standing::clean:
      break;
  }
  return 7;
}

class Assembly {
 public:
  Assembly(const spec::Plan& plan, const Night& night, std::span<const NightFile> earlier)
      : plan_(plan), night_(night), earlier_(earlier), seen_(seen_of(plan, night)) {
    for (const spec::PlanCell& cell : plan.cells) {
      names_.push_back(cell_name(cell.spec));
      kernels_[names_.back()] = cell.spec.kernel;
    }
  }

  results::CampaignRecord make() {
    out_.id = night_.id;
    out_.name = plan_.name;
    out_.plan = night_.plan_file;
    out_.state = night_.state;
    out_.started_at = night_.started_at;
    out_.finished_at = night_.finished_at;
    out_.confidence = plan_.confidence;
    out_.lost = night_.lost;
    out_.budget = {plan_.budget ? static_cast<double>(plan_.budget->count()) / 1000 : 0,
                   night_.used_s, busy_s(plan_, night_.trials, night_.cores),
                   night_.used_s * night_.cores};
    judge();
    add_cells();
    add_signatures();
    add_strips();
    add_numbers();
    add_nights();
    return std::move(out_);
  }

 private:
  const spec::Known* known_entry(const std::string& signature, const std::string& cell) const {
    for (const spec::Known& known : plan_.known)
      if (covers(known, signature, kernels_.at(cell))) return &known;
    return nullptr;
  }

  void judge() {
    std::vector<Seen> latest;
    Before before{.confidence = plan_.confidence};
    for (std::size_t i = 0; i < earlier_.size(); ++i) {
      if (i + static_cast<std::size_t>(plan_.nights) >= earlier_.size())
        latest.push_back(earlier_[i].seen);
      for (const auto& [signature, about] : earlier_[i].signatures)
        before.ever.try_emplace(signature, earlier_[i].seen.id);
    }
    before.nights = latest;
    standings_ = stand(seen_, before, [&](const std::string& signature, const std::string& cell) {
      const spec::Known* known = known_entry(signature, cell);
      return known != nullptr && !expired(*known, night_.today);
    });
    out_.tests = standings_.tests;
    out_.tests.insert(
        out_.tests.begin(),
        plan_.goal.kind == spec::Goal::Kind::rate_below
            ? "rates: Robbins's mixture, which holds at every look; goals: a test martingale"
            : "rates: Clopper and Pearson's exact interval, two-sided");
  }

  void add_cells() {
    for (std::size_t i = 0; i < plan_.cells.size(); ++i) {
      const SeenCell& seen = seen_.cells.at(names_[i]);
      results::CampaignCell cell;
      cell.axes = plan_.cells[i].spec.axes;
      cell.pass = seen.pass;
      cell.fail = seen.fail;
      cell.inconclusive = seen.inconclusive;
      cell.rate = rate_of(plan_, seen.judged());
      cell.goal = goal_text(plan_, seen.judged());
      const Judgement& judgement = standings_.cells.at(names_[i]);
      cell.standing = judgement.standing;
      cell.why = judgement.why;
      out_.cells.push_back(std::move(cell));
    }
  }

  std::string common(const std::string& signature) const {
    std::vector<stats::Group> groups;
    int fails = 0;
    for (std::size_t i = 0; i < plan_.cells.size(); ++i) {
      const SeenCell& seen = seen_.cells.at(names_[i]);
      const auto found = seen.signatures.find(signature);
      const int count = found == seen.signatures.end() ? 0 : found->second;
      groups.push_back({plan_.cells[i].spec.axes, {count, seen.judged().trials}});
      fails += count;
    }
    if (fails == 0 || plan_.cells.size() < 2) return "";
    const auto factor = stats::common_factor(groups, kAssociated);
    if (!factor) return fails < 4 ? "too few failures to say what they have in common" : "";
    return fmt::format("{} {} ({} of {} there, {} of {} elsewhere; Fisher, Holm, p={:.2g})",
                       factor->only ? "only" : "mostly", factor->text, factor->with.fails,
                       factor->with.trials, factor->without.fails, factor->without.trials,
                       factor->p);
  }

  void add_signatures() {
    for (const auto& [text, judgement] : standings_.signatures) {
      results::CampaignSignature one;
      one.signature = text;
      one.standing = judgement.standing;
      one.why = judgement.why;
      one.count = static_cast<int>(seen_.of(text).fails);
      for (std::size_t i = 0; i < names_.size(); ++i)
        if (seen_.cells.at(names_[i]).signatures.contains(text)) {
          one.cells.push_back(i);
          if (const spec::Known* known = known_entry(text, names_[i]); known && !one.known)
            one.known = {known->until, known->link, expired(*known, night_.today)};
        }
      if (one.known && one.known->expired)
        one.why += "; the plan knew it until " + one.known->until;
      one.common = common(text);
      for (const NightFile& night : earlier_) {
        one.nights.push_back(static_cast<int>(night.seen.of(text).fails));
        if (const auto about = night.signatures.find(text); about != night.signatures.end())
          describe(one, about->second);
      }
      one.nights.push_back(one.count);
      for (const TrialFact& trial : night_.trials)
        if (trial.verdict.signature == text && trial.verdict.outcome == Outcome::fail) {
          describe(one, {trial.verdict.title, trial.verdict.culprit, trial.run, trial.verdict.kind,
                         trial.index});
          break;
        }
      out_.signatures.push_back(std::move(one));
    }
    // Of nights so long ago that nothing is compared with them, no word.
    std::erase_if(out_.signatures, [](const results::CampaignSignature& one) {
      return one.count == 0 && one.standing != Standing::gone && one.standing != Standing::better &&
             one.standing != Standing::flaky;
    });
    std::ranges::stable_sort(out_.signatures, {}, [](const results::CampaignSignature& one) {
      return std::pair(urgency(one), -one.count);
    });
  }

  static void describe(results::CampaignSignature& one, const NightFile::About& about) {
    one.title = about.title;
    one.culprit = about.culprit;
    one.kind = about.kind;
    one.run = about.run;
    one.index = about.index;
  }

  void add_strips() {
    std::map<std::string, std::size_t> places;
    for (std::size_t i = 0; i < out_.signatures.size(); ++i)
      places[out_.signatures[i].signature] = i;
    for (const TrialFact& trial : night_.trials) {
      results::CellTrial one{.run = trial.run,
                             .index = trial.index,
                             .outcome = trial.verdict.outcome,
                             .started_at = trial.started_at,
                             .duration_s = trial.duration_s,
                             .boot_s = trial.boot_s,
                             .warm = trial.warm};
      if (const auto found = places.find(trial.verdict.signature);
          found != places.end() && one.outcome == Outcome::fail)
        one.signature = found->second;
      out_.cells[trial.cell].strip.push_back(std::move(one));
    }
    for (results::CampaignCell& cell : out_.cells)
      std::ranges::stable_sort(cell.strip, {}, &results::CellTrial::started_at);
  }

  void add_numbers() {
    std::vector<std::vector<results::Counters>> told(out_.cells.size());
    for (const TrialFact& trial : night_.trials)
      if (!trial.numbers.empty()) told[trial.cell].push_back(trial.numbers);
    std::vector<Seen> nights;
    for (const NightFile& night : earlier_) nights.push_back(night.seen);
    const Moves all = moves(seen_, nights);
    for (std::size_t i = 0; i < told.size(); ++i) {
      out_.cells[i].numbers = results::numbers_of(told[i]);
      for (results::NumberRange& number : out_.cells[i].numbers)
        if (const auto found = all.moved.find({names_[i], number.name}); found != all.moved.end())
          number.moved = found->second;
    }
    if (all.compared > 0)
      out_.tests.push_back(fmt::format(
          "numbers: {} compared with each night before, by rank sums; Holm, at {:.0f} %",
          all.compared, 100 * kAlarm));
  }

  void add_nights() {
    const auto add = [&](const Seen& seen, int fresh) {
      results::NightSummary night{.id = seen.id, .started_at = seen.started_at};
      for (const auto& [name, cell] : seen.cells) {
        night.pass += cell.pass;
        night.fail += cell.fail;
        night.inconclusive += cell.inconclusive;
      }
      night.fresh_signatures = fresh;
      out_.nights.push_back(std::move(night));
    };
    for (const NightFile& night : earlier_) add(night.seen, night.fresh_signatures);
    add(seen_, static_cast<int>(std::ranges::count(out_.signatures, Standing::fresh,
                                                   &results::CampaignSignature::standing)));
  }

  const spec::Plan& plan_;
  const Night& night_;
  std::span<const NightFile> earlier_;
  Seen seen_;
  std::vector<std::string> names_;
  std::map<std::string, std::string> kernels_;
  Standings standings_;
  results::CampaignRecord out_;
};

}  // namespace

double made_template_s(const results::TrialRecord& trial) {
  const auto fact = std::ranges::find(trial.facts, results::kTemplateMade,
                                      &std::pair<std::string, std::string>::first);
  if (fact == trial.facts.end()) return 0;
  const auto seconds = to_number<double>(fact->second);
  return seconds && std::isfinite(*seconds) ? std::max(0.0, *seconds) : 0;
}

std::vector<TrialFact> facts_of(const results::RunRecord& run, std::size_t cell) {
  std::vector<TrialFact> out;
  for (const results::TrialRecord& trial : run.trials)
    if (trial.verdict.kind != results::Kind::interrupted)
      out.push_back({cell, run.id, trial.index, trial.verdict, trial.started_at, trial.duration_s,
                     trial.boot_s, trial.start == spec::name(spec::Start::warm),
                     made_template_s(trial), results::numbers_of(trial)});
  return out;
}

Seen seen_of(const spec::Plan& plan, const Night& night) {
  Seen out{.id = night.id, .started_at = night.started_at};
  std::vector<SeenCell> cells(plan.cells.size());
  for (const TrialFact& trial : night.trials) {
    SeenCell& cell = cells[trial.cell];
    cell.seconds += trial.duration_s;
    for (const auto& [name, value] : trial.numbers)
      if (auto& kept = cell.numbers[name]; kept.size() < kKeptOfNumber) kept.push_back(value);
    switch (trial.verdict.outcome) {
      case Outcome::pass:
        ++cell.pass;
        break;
      case Outcome::fail:
        ++cell.fail;
        ++cell.signatures[trial.verdict.signature];
        break;
      case Outcome::inconclusive:
        ++cell.inconclusive;
    }
  }
  for (std::size_t i = 0; i < cells.size(); ++i)
    out.cells[cell_name(plan.cells[i].spec)] = std::move(cells[i]);
  return out;
}

results::CampaignRecord assemble(const spec::Plan& plan, const Night& night,
                                 std::span<const NightFile> earlier) {
  return Assembly(plan, night, earlier).make();
}

NightFile to_file(const results::CampaignRecord& record, const Seen& seen) {
  NightFile out{.name = record.name,
                .state = record.state,
                .finished_at = record.finished_at,
                .used_s = record.budget.used_s,
                .seen = seen};
  for (const results::CampaignSignature& one : record.signatures)
    if (one.count > 0)
      out.signatures[one.signature] = {one.title, one.culprit, one.run, one.kind, one.index};
  out.fresh_signatures = record.nights.empty() ? 0 : record.nights.back().fresh_signatures;
  return out;
}

double busy_s(const spec::Plan& plan, std::span<const TrialFact> trials, int cores) {
  std::vector<std::pair<double, int>> changes;  // of vCPUs at work
  for (const TrialFact& trial : trials) {
    const double begin = seconds_since_epoch(trial.started_at);
    const int vcpus = plan.cells[trial.cell].spec.cpus;
    changes.emplace_back(begin - trial.prepared_s, vcpus);
    changes.emplace_back(begin + trial.duration_s, -vcpus);
  }
  std::ranges::sort(changes);
  double sum = 0, since = 0;
  int at_work = 0;
  for (const auto& [at, change] : changes) {
    sum += std::min(at_work, cores) * (at - since);
    since = at;
    at_work += change;
  }
  return sum;
}

}  // namespace ktrial::campaign
