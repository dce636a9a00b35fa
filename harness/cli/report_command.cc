// `ktrial report`: stored runs, again, in the format that a reader wants.
#include <memory>

#include "harness/bundle/report.h"
#include "harness/campaign/session.h"
#include "harness/cli/campaign_document.h"
#include "harness/cli/commands.h"
#include "harness/cli/output.h"
#include "harness/cli/terminal.h"
#include "harness/cli/trial_flags.h"
#include "harness/stats/rate.h"
#include "results/report/batch.h"
#include "results/report/html.h"
#include "results/report/kcidb.h"
#include "results/report/mail.h"
#include "results/report/report.h"
#include "results/store/store.h"

namespace ktrial::cli {
namespace {

struct ReportFlags {
  std::vector<std::string> runs;
  std::string format = "text", output, origin = "ktrial", results, bundle;
  bool list = false, declare_dead = false, no_kernel = false, with_memory = false;
  int trial = -1;
  std::size_t most = 20;
};

constexpr double kConfidence = 0.95;

// Who interrupts a run may have looked at what there was.
results::RateInterval interval_of(stats::Tally seen, results::RunState state) {
  const auto interval = state == results::RunState::finished
                            ? stats::exact_interval(seen, kConfidence)
                            : stats::anytime_interval(seen, kConfidence);
  return {interval.low, interval.high};
}

// Of the run's trials, how many failed as it did.
std::optional<results::RateInterval> rate_of(const results::RunRecord& run) {
  stats::Tally seen;
  for (const results::TrialRecord& trial : run.trials) {
    if (trial.verdict.outcome == results::Outcome::inconclusive) continue;
    ++seen.trials;
    const bool same = trial.verdict.outcome == results::Outcome::fail &&
                      trial.verdict.signature == run.verdict.signature;
    seen.fails += same ? 1 : 0;
  }
  if (seen.trials == 0) return std::nullopt;
  return interval_of(seen, run.state);
}

// Of each run how often it fails, for the page.
std::string html_of(const results::BatchRecord& batch) {
  results::CampaignRecord shown = results::campaign_of(batch);
  shown.confidence = kConfidence;
  shown.tests = {shown.state == results::RunState::finished
                     ? "exact intervals (Clopper and Pearson)"
                     : "intervals that hold at every look (Robbins)"};
  for (results::CampaignCell& cell : shown.cells)
    cell.rate = interval_of({cell.fail, cell.pass + cell.fail}, shown.state);
  return results::campaign_html(shown, results::evidence_of(batch));
}

std::string document_of(const results::BatchRecord& batch, const ReportFlags& flags) {
  const bool one = batch.parts.size() == 1;
  const results::RunRecord& run = *batch.parts.front().run;
  if (flags.format == "json") return one ? results::report_json(run) : results::batch_json(batch);
  if (flags.format == "junit") return results::batch_junit(batch);
  if (flags.format == "ktap") return results::batch_ktap(batch);
  if (flags.format == "kcidb") return results::batch_kcidb(batch, {.origin = flags.origin});
  if (flags.format == "html") return html_of(batch);
  if (flags.format == "mail")
    return results::batch_mail(
        batch, {.rate = one ? rate_of(run) : std::nullopt, .confidence = kConfidence});
  results::TextOptions options = text_options();
  if (!flags.output.empty()) options.color = false;
  return one ? results::report_text(run, options) : results::batch_text(batch, options);
}

Result<int> write_bundle(const ReportFlags& flags, const results::RunRecord& record) {
  bundle::WriteOptions options{.kernel = !flags.no_kernel, .memory = flags.with_memory};
  if (flags.trial >= 0) options.trial = flags.trial;
  auto secrets = bundle::secrets_of_this_host();
  for (bundle::Secret& secret : bundle::secrets_of_owner(record.directory))
    bundle::add_secret(secrets, std::move(secret));
  const auto written =
      KTRIAL_TRY(bundle::write_bundle(record, options, std::move(secrets), flags.bundle));
  to_stdout("{}", flags.format == "json" ? bundle::json_of(written, flags.bundle)
                                         : bundle::text_of(written, flags.bundle));
  return 0;
}

Result<int> report(const ReportFlags& flags) {
  if (!results::is_kcidb_origin(flags.origin))
    return usage_error("--origin " + flags.origin + ": only a-z, 0-9 and _ are in an origin");
  auto store = KTRIAL_TRY(results::Store::open(results_dir(flags.results)));
  if (flags.list) {
    if (flags.format != "text" && flags.format != "json")
      return usage_error("--list has no format " + flags.format, "it is text or json");
    const auto runs = KTRIAL_TRY(store.list(flags.most));
    to_stdout("{}", flags.format == "json" ? results::list_json(runs)
                                           : results::list_text(runs, text_options()));
    return 0;
  }
  if (flags.runs.size() == 1 && !store.find(flags.runs.front()))
    if (const auto night = campaign::find_night(store.dir(), flags.runs.front())) {
      const auto record = KTRIAL_TRY(campaign::load_campaign(store, *night));
      KTRIAL_TRY(print_campaign(store, record, {flags.format, flags.output, flags.origin}));
      return 0;
    }
  std::vector<results::RunRecord> runs;
  for (const std::string& name : flags.runs.empty() ? std::vector<std::string>{"last"} : flags.runs)
    runs.push_back(KTRIAL_TRY(flags.declare_dead ? store.declare_dead(name) : store.load(name)));
  if (!flags.bundle.empty()) {
    if (runs.size() == 1) return write_bundle(flags, runs.front());
    return usage_error("--bundle takes one trial of one run", "name one RUN");
  }
  KTRIAL_TRY(write_document(document_of(results::batch_of(std::move(runs)), flags), flags.output));
  return 0;
}

}  // namespace

void add_report(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand("report", "Shows runs that were recorded");
  auto flags = std::make_shared<ReportFlags>();
  auto* runs = command->add_option(
      "RUN", flags->runs,
      "Id, beginning of an id, folder, or last [last]; several are shown as one whole");
  auto* list =
      command->add_flag("--list", flags->list, "The latest runs, a line each")->excludes(runs);
  command->add_option("--limit", flags->most, "Of --list; 0: all")
      ->needs(list)
      ->check(CLI::Range(0, 1000000))
      ->capture_default_str();
  command
      ->add_flag("--declare-dead", flags->declare_dead,
                 "Ends the record of a run whose host is gone, as interrupted")
      ->excludes(list);
  command
      ->add_option(
          "--format", flags->format,
          "text, json; junit, ktap, kcidb for other programs; html, a page; mail, for a list")
      ->check(CLI::IsMember({"text", "json", "junit", "ktap", "kcidb", "html", "mail"}))
      ->capture_default_str();
  command->add_option("-o,--output", flags->output, "Write to this file instead of stdout");
  command->add_option("--origin", flags->origin, "With kcidb: the CI system that submits")
      ->capture_default_str();
  auto* bundle = command
                     ->add_option("--bundle", flags->bundle,
                                  "Writes one trial, whole, into a file for `ktrial replay`")
                     ->excludes(list);
  command->add_option("--trial", flags->trial, "Of --bundle [the failure that names the run]")
      ->needs(bundle)
      ->check(CLI::NonNegativeNumber);
  command->add_flag("--no-kernel", flags->no_kernel, "Of --bundle: its reference and hash alone")
      ->needs(bundle);
  command
      ->add_flag("--with-memory", flags->with_memory,
                 "Of --bundle: with the guest's memory (vmcore of `run --core`)")
      ->needs(bundle);
  command->add_option("--results", flags->results, "Where runs are kept [$XDG_STATE_HOME/ktrial]");
  command->footer(
      "Examples:\n  ktrial report\n  ktrial report --list\n  ktrial report last --format json\n"
      "  ktrial report last --bundle bug.ktrial\n"
      "  ktrial report last --format junit -o junit.xml\n"
      "  ktrial report last --format mail | less\n\n"
      "Exit status: 0 when the run could be shown, whatever its outcome.");
  command->callback([&action, flags] { action = [flags] { return report(*flags); }; });
}

}  // namespace ktrial::cli
