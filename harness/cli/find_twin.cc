#include "harness/cli/find_twin.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "harness/bundle/difference.h"
#include "harness/cli/exit_codes.h"
#include "harness/cli/output.h"
#include "harness/cli/trial_flags.h"
#include "harness/reproduce/experiment.h"
#include "harness/reproduce/twin.h"
#include "harness/spec/parse.h"
#include "harness/trial/plan.h"
#include "results/report/report.h"
#include "results/store/json.h"
#include "results/store/json_fields.h"

namespace ktrial::cli {
namespace {
using results::Json;
using results::Outcome;

Result<results::TrialRecord> failure_of(const bundle::Kept& kept, std::optional<int> trial) {
  for (const results::TrialRecord& one : kept.run.trials)
    if (one.verdict.outcome == Outcome::fail && (!trial || one.index == *trial)) return one;
  return usage_error(trial ? fmt::format("trial {} of {} is no failure", *trial, kept.name)
                           : kept.name + " holds no failure");
}

std::string text_of(const reproduce::TwinSearch& search, const std::string& signature) {
  std::string out = fmt::format("{} after {} trials, {:.0f} s: {}\n",
                                search.twin ? "Twin found" : "No twin found", search.trials.size(),
                                search.seconds, results::printable(signature));
  for (const reproduce::TwinTrial& one : search.trials)
    out += fmt::format(
        "  seed {:<4} {:<26} {}\n", one.spec.seed, one.what,
        results::printable(one.record ? bundle::in_short(one.record->verdict) : one.problem));
  if (!search.twin) {
    out += "Another budget (--budget 1h), or a run with other settings (--set), may show it.\n";
    return out;
  }
  out += fmt::format(
      "again    {}\nlook     ktrial replay {} --diff-seeds | --when ... | --trace ...\n",
      results::shell_quoted(reproduce::command_line(search.twin->spec)), search.twin->run);
  return out;
}

std::string json_of(const reproduce::TwinSearch& search, const std::string& signature) {
  const auto trial_json = [](const reproduce::TwinTrial& one) -> Json {
    return {{"what", one.what},
            {"seed", one.spec.seed},
            {"shift", one.spec.shift},
            {"run", one.run},
            {"outcome", one.record ? name(one.record->verdict.outcome) : "inconclusive"},
            {"signature", one.record ? one.record->verdict.signature : ""},
            {"problem", one.problem}};
  };
  Json trials = Json::array();
  for (const reproduce::TwinTrial& one : search.trials) trials.push_back(trial_json(one));
  Json again = Json::array();
  if (search.twin) again = results::strings(reproduce::command_line(search.twin->spec));
  return results::dump(
      results::document({{"mode", "twin"},
                         {"signature", signature},
                         {"twin", search.twin ? trial_json(*search.twin) : Json(nullptr)},
                         {"again", again},
                         {"tried", trials},
                         {"seconds", search.seconds}}));
}

}  // namespace

Result<int> find_twin(const TwinFlags& flags, const bundle::Kept& kept, std::optional<int> trial,
                      const bundle::Choices& choices, bool json) {
  reproduce::TwinOptions options{.at_once = flags.jobs, .now = {}};
  if (!flags.budget.empty()) {
    spec::Milliseconds budget{};
    KTRIAL_TRY(read_flag("--budget", flags.budget, budget, spec::parse_duration));
    options.budget_s = static_cast<double>(budget.count()) / 1000;
  }
  const auto failure = KTRIAL_TRY(failure_of(kept, trial));
  auto made = KTRIAL_TRY(bundle::job_of_run(kept, choices));
  if (flags.engine.engine != "local") made.job.cache.reset();  // of this host
  const auto payload = KTRIAL_TRY(trial::find_payload());
  const auto hinted = KTRIAL_TRY(spec::list_hinted_workloads(payload / "workloads"));
  const auto own = std::ranges::find(hinted, made.job.spec.workload,
                                     [](const spec::HintedWorkload& one) { return one.info.name; });
  const auto variants =
      reproduce::twin_variants(made.job.spec, own == hinted.end() ? nullptr : &*own);
  const auto tell = [](const std::string& text) { to_stderr("ktrial: {}\n", text); };
  for (const std::string& note : made.notes) tell(note);
  const auto chosen =
      KTRIAL_TRY(choose_engine(flags.engine, {.results = made.job.results, .at_a_time = flags.jobs},
                               [](engine::JobId, const run::Event&) {}));
  options.now = [] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
  };
  const auto found = KTRIAL_TRY(reproduce::find_twin(variants, failure.verdict.signature, made.job,
                                                     *chosen.engine, options, tell));
  to_stdout("{}", json ? json_of(found, failure.verdict.signature)
                       : text_of(found, failure.verdict.signature));
  return exit_code(found.twin ? Outcome::fail : Outcome::inconclusive);
}

}  // namespace ktrial::cli
