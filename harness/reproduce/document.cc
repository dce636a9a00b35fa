#include "harness/reproduce/document.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "harness/arch/arch.h"
#include "harness/base/text.h"
#include "results/report/report.h"
#include "results/store/json.h"

namespace ktrial::reproduce {
namespace {

using results::Json;
using results::printable;

std::string shell(const std::vector<std::string>& argv) { return results::shell_quoted(argv); }

std::string understood_text(const Story& story) {
  std::string out = "Understood\n";
  const std::string* last = nullptr;
  for (const mail::Fact& fact : story.report.facts) {
    const bool again = last && *last == fact.field;
    last = &fact.field;
    const std::string where = fact.where.empty() ? fmt::format("line {}", fact.line) : fact.where;
    out += fmt::format("  {:<13} {}  ({})\n", again ? "" : fact.field, printable(fact.value),
                       printable(where));
  }
  if (story.report.facts.empty()) out += "  nothing of a failure, a kernel or a machine\n";
  for (const Unknown& unknown : story.experiment.unknown)
    out += fmt::format("  not told: {}; {}\n", unknown.what, unknown.flag);
  for (const std::string& note : story.report.notes)
    out += fmt::format("  note: {}\n", printable(note));
  return out;
}

std::string workloads_text(const Experiment& experiment) {
  std::string out;
  for (const Suspect& suspect : experiment.workloads) {
    if (suspect.score * 8 < experiment.workloads.front().score) break;
    out += fmt::format("  workload      {}, {:.1f} points\n", suspect.workload, suspect.score);
    for (const std::string& reason : suspect.reasons)
      out += fmt::format("                  {}\n", printable(reason));
  }
  return out;
}

std::string experiment_text(const Story& story) {
  const Experiment& experiment = story.experiment;
  std::string out = "Experiment\n";
  const KernelChoice& kernel = experiment.kernel;
  out += fmt::format("  kernel        {}\n",
                     kernel.reference.empty()
                         ? "deb:linux-image-cloud-amd64, ktrial's default; name one with --kernel"
                         : kernel.reference);
  if (!kernel.why.empty()) out += fmt::format("                  {}\n", printable(kernel.why));
  for (const std::string& differs : kernel.differs)
    out += fmt::format("                  {}\n", printable(differs));
  if (!experiment.config.empty()) {
    std::string list;
    for (const std::string& option : experiment.config)
      list += (list.empty() ? "" : ", ") + printable(option);
    out += fmt::format("  config        {}\n", list);
  }
  if (experiment.program) {
    const Program& program = *experiment.program;
    out += program.text.empty()
               ? fmt::format(
                     "  reproducer    {}: linked only; fetch it and give it as another REPORT\n",
                     printable(program.name))
               : fmt::format(
                     "  reproducer    {}, compiled statically, run in the guest as: repro {}\n",
                     printable(program.name),
                     printable(fmt::format("{}", fmt::join(program.arguments, " "))));
  }
  if (!experiment.patched.empty()) {
    std::string list;
    for (std::size_t i = 0; i < std::min<std::size_t>(experiment.patched.size(), 6); ++i)
      list += (list.empty() ? "" : ", ") + printable(experiment.patched[i]);
    out += fmt::format("  patch         of {}{}\n", list,
                       experiment.patched.size() > 6 ? ", ..." : "");
  }
  out += workloads_text(experiment);
  constexpr std::size_t kTold = 6;
  for (std::size_t i = 0; i < std::min(kTold, experiment.settings.size()); ++i)
    out += fmt::format("  setting       {}: {}\n", experiment.settings[i].what,
                       printable(shell(command_line(experiment.settings[i].spec))));
  if (experiment.settings.size() > kTold)
    out += fmt::format("                and {} more, as trials pass\n",
                       experiment.settings.size() - kTold);
  for (const std::string& note : experiment.notes)
    out += fmt::format("  note: {}\n", printable(note));
  out += fmt::format("  budget        {}\n", spoken_seconds(story.budget_s));
  return out;
}

std::string same_text(const Story& story) {
  for (const Tried& trial : story.search->trials)
    if (shows(trial)) return trial.match.why;
  return {};
}

bool only_likely(const Search& search) {
  return std::ranges::none_of(search.trials, [](const Tried& trial) {
    return shows(trial) && trial.match.same == Same::yes;
  });
}

const results::Verdict* verdict_of(const Search& search) {
  for (const Tried& trial : search.trials)
    if (shows(trial)) return &trial.record.verdict;
  return nullptr;
}

std::string interval_text(const Search& search) {
  const stats::Interval range = search.interval();
  return fmt::format("95 %: {} to {}", percent(range.low), percent(range.high));
}

// "5 of 5 trials (95 %: 48 to 100 %), after trial 1 had shown it first".
std::string numbers_text(const Search& search) {
  if (search.end == End::reproduced) {
    if (search.measured.trials == 0)
      return fmt::format("in trial {} of its setting ({})", search.first, interval_text(search));
    return fmt::format(
        "in {} of {} trials ({}{}), after its first one showed it {}", search.measured.fails,
        search.measured.trials, interval_text(search), search.cut ? ", whenever one stops" : "",
        search.first == 1 ? "at once" : fmt::format("after {} without", search.first - 1));
  }
  const stats::Tally all = search.tally();
  return fmt::format("not in {} trials: its rate is below {} (95 %) in these settings", all.trials,
                     percent(stats::exact_upper({0, all.trials}, 0.95)));
}

// The settings that showed it: seconds that one sight of it costs, least first.
std::vector<std::string> cheapest(const Story& story) {
  const Search& search = *story.search;
  double best = 0;
  std::optional<std::size_t> of;
  for (std::size_t i = 0; i < story.experiment.settings.size(); ++i) {
    const stats::Tally tally = search.tally(i);
    if (tally.fails == 0) continue;
    double seconds = 0;
    for (const Tried& trial : search.trials)
      if (trial.setting == i) seconds += trial.seconds;
    const double cost = seconds / static_cast<double>(tally.fails);
    if (!of || cost < best) {
      best = cost;
      of = i;
    }
  }
  if (!of) return {};
  auto out = command_line(story.experiment.settings[*of].spec);
  const auto dashes = std::ranges::find(out, "--");
  out.insert(dashes, "--until-fail");
  return out;
}

std::string others_text(const Search& search) {
  std::string out;
  std::vector<std::string> told;
  for (const Tried& trial : search.trials) {
    const results::Verdict& verdict = trial.record.verdict;
    if (verdict.outcome != results::Outcome::fail || shows(trial)) continue;
    if (std::ranges::find(told, verdict.signature) != told.end()) continue;
    told.push_back(verdict.signature);
    out += fmt::format("  another       {}: {} ({})\n", printable(verdict.title),
                       printable(verdict.signature), printable(trial.match.why));
  }
  return out;
}

std::string fix_text(const Story& story) {
  if (!story.fix)
    return story.fix_name.empty() ? "" : "NOT TESTED: it did not fail without the fix either\n";
  const FixTrial& fix = *story.fix;
  std::string head;
  switch (fix.end) {
    case FixEnd::fixed:
      head = "FIXED";
      break;
    case FixEnd::better:
      head = "BETTER, NOT GONE";
      break;
    case FixEnd::not_fixed:
      head = "NOT FIXED";
      break;
    case FixEnd::not_failed:
      head = "NOT TESTED: it did not fail without the fix either";
      break;
    case FixEnd::not_known:
      head = "NOT KNOWN: the budget ended";
      break;
  }
  std::string out = fmt::format("{}\n  fix           {}\n", head, printable(story.fix_name));
  out += fmt::format("  without it    {} of {} trials failed as reported: {}\n", fix.without.fails,
                     fix.without.trials, printable(story.without));
  out += fmt::format("  with it       {} of {}: {}\n", fix.with.fails, fix.with.trials,
                     printable(story.with));
  for (const std::string& other : fix.others)
    out += fmt::format("  with it       another failure: {}\n", printable(other));
  return out;
}

std::string_view name(End end) {
  return end == End::reproduced ? "reproduced"
         : end == End::not_seen ? "not_reproduced"
                                : "inconclusive";
}
std::string_view name(FixEnd end) {
  switch (end) {
    case FixEnd::fixed:
      return "fixed";
    case FixEnd::better:
      return "better";
    case FixEnd::not_fixed:
      return "not_fixed";
    case FixEnd::not_failed:
      return "not_tested";
    case FixEnd::not_known:
      break;
  }
  return "not_known";
}

Json setting_json(const Setting& setting) {
  Json parameters = Json::object();
  for (const auto& [key, value] : setting.spec.parameters) parameters[key] = value;
  return {{"what", setting.what},
          {"workload", setting.spec.command.empty() ? setting.spec.workload : ""},
          {"command", setting.spec.command},
          {"kernel", setting.spec.kernel},
          {"cpus", setting.spec.cpus},
          {"memory_mib", setting.spec.memory_mib},
          {"parameters", std::move(parameters)},
          {"run", shell(command_line(setting.spec))}};
}

Json experiment_json(const Story& story) {
  const Experiment& experiment = story.experiment;
  Json workloads = Json::array(), settings = Json::array(), unknown = Json::array();
  for (const Suspect& suspect : experiment.workloads)
    workloads.push_back(
        {{"name", suspect.workload}, {"score", suspect.score}, {"reasons", suspect.reasons}});
  for (const Setting& setting : experiment.settings) settings.push_back(setting_json(setting));
  for (const Unknown& one : experiment.unknown)
    unknown.push_back({{"what", one.what}, {"flag", one.flag}});
  Json program = nullptr;
  if (experiment.program)
    program = {{"name", experiment.program->name},
               {"has_source", !experiment.program->text.empty()},
               {"arguments", experiment.program->arguments}};
  return {{"kernel",
           {{"reference", experiment.kernel.reference},
            {"wanted", experiment.kernel.wanted},
            {"why", experiment.kernel.why},
            {"differs", experiment.kernel.differs}}},
          {"config", experiment.config},
          {"fragments", experiment.fragments},
          {"reproducer", std::move(program)},
          {"patched", experiment.patched},
          {"workloads", std::move(workloads)},
          {"settings", std::move(settings)},
          {"unknown", std::move(unknown)},
          {"notes", experiment.notes},
          {"budget_s", story.budget_s}};
}

Json tally_json(stats::Tally tally) {
  return {{"failures", tally.fails}, {"trials", tally.trials}};
}

Json search_json(const Story& story) {
  const Search& search = *story.search;
  Json trials = Json::array();
  for (const Tried& trial : search.trials) {
    const results::Verdict& verdict = trial.record.verdict;
    trials.push_back({{"setting", trial.setting},
                      {"run", trial.run},
                      {"outcome", results::name(verdict.outcome)},
                      {"title", verdict.title},
                      {"signature", verdict.signature},
                      {"reported", shows(trial)},
                      {"likely", shows(trial) && trial.match.same == Same::likely},
                      {"why", trial.match.why},
                      {"seconds", trial.seconds}});
  }
  const stats::Interval range = search.interval();
  return {{"outcome", name(search.end)},
          {"why", search.end == End::inconclusive ? search.why : same_text(story)},
          {"all", tally_json(search.tally())},
          {"measured", tally_json(search.measured)},
          {"rate",
           {{"low", search.end == End::reproduced ? range.low : 0},
            {"high", search.end == End::reproduced
                         ? range.high
                         : stats::exact_upper({0, search.tally().trials}, 0.95)}}},
          {"cheapest", shell(cheapest(story))},
          {"next", bisect_commands(story)},
          {"trials", std::move(trials)}};
}

}  // namespace

std::string percent(double share) {
  if (share > 0 && share < 0.0995) return fmt::format("{:.2g} %", share * 100);
  return fmt::format("{:.0f} %", share * 100);
}

std::string plan_text(const Story& story) {
  return understood_text(story) + "\n" + experiment_text(story);
}

std::vector<std::string> bisect_commands(const Story& story) {
  const Experiment& experiment = story.experiment;
  if (!story.search || !story.search->setting) return {};
  const Setting& setting = experiment.settings[*story.search->setting];
  if (!setting.spec.kernel.starts_with("deb:") || experiment.ends.good.empty()) return {};
  const std::string name = setting.spec.kernel.substr(4);
  const std::string package = name.substr(0, name.find('='));
  // Without a version the package's own name says which it is.
  const std::string bad =
      name == package
          ? package
          : release_of({.package = package, .version = name.substr(package.size() + 1)}).text();
  std::vector<std::string> run = command_line(setting.spec);
  run.erase(run.begin(), run.begin() + 4);  // ktrial run --kernel K
  const auto line = [&](const std::string& good) {
    std::vector<std::string> out{"ktrial", "bisect", "--packages", arch::native().kernel_packages,
                                 "--good", good,     "--bad",      bad};
    out.insert(out.end(), run.begin(), run.end());
    return shell(out);
  };
  std::vector<std::string> out{line(experiment.ends.good)};
  if (!experiment.ends.fixed.empty()) out.push_back(line(experiment.ends.fixed));
  return out;
}

std::string result_text(const Story& story) {
  const Search& search = *story.search;
  std::string out;
  if (search.end == End::reproduced) {
    const results::Verdict& verdict = *verdict_of(search);
    const bool likely = only_likely(search);
    out = fmt::format("{}REPRODUCED  {}\n", likely ? "LIKELY " : "", printable(verdict.title));
    out += fmt::format("  {:<13} {}\n", likely ? "likely that" : "the same",
                       printable(same_text(story)));
    out += fmt::format("  how often     {}\n", numbers_text(search));
  } else if (search.end == End::not_seen) {
    out = fmt::format("NOT REPRODUCED\n  how often     {}\n", numbers_text(search));
  } else {
    out = fmt::format("INCONCLUSIVE\n  reason        {}\n", printable(search.why));
  }
  out += others_text(search);
  out += fmt::format("  time          {} in {} trials\n", spoken_seconds(search.seconds),
                     search.trials.size());
  if (const auto command = cheapest(story); !command.empty())
    out += fmt::format("  cheapest      {}\n", shell(command));
  const auto next = bisect_commands(story);
  for (std::size_t i = 0; i < next.size(); ++i)
    out += fmt::format("  {:<13} {}\n", i == 0 ? "brought by" : "mended by", next[i]);
  if (!story.mail_file.empty()) out += fmt::format("  mail          {}\n", story.mail_file);
  if (const std::string fix = fix_text(story); !fix.empty()) out += "\n" + fix;
  if (const std::string mail = mail_text(story); !mail.empty()) out += "\n--- mail ---\n" + mail;
  return out;
}

std::string story_json(const Story& story) {
  Json facts = Json::array();
  for (const mail::Fact& fact : story.report.facts) {
    Json one = {{"field", fact.field}, {"value", fact.value}, {"line", fact.line}};
    if (!fact.where.empty()) one["where"] = fact.where;
    facts.push_back(std::move(one));
  }
  Json out = {{"understood", std::move(facts)},
              {"report_notes", story.report.notes},
              {"experiment", experiment_json(story)}};
  if (story.search) {
    out["result"] = search_json(story);
    if (story.fix)
      out["fix"] = {{"name", story.fix_name},
                    {"outcome", name(story.fix->end)},
                    {"without", tally_json(story.fix->without)},
                    {"with", tally_json(story.fix->with)},
                    {"other_failures", story.fix->others}};
    out["mail"] = mail_text(story);
  }
  return results::dump(results::document(std::move(out)));
}

}  // namespace ktrial::reproduce
