// `ktrial report`: a stored run, again.
#include <unistd.h>

#include <memory>

#include "harness/bundle/report.h"
#include "harness/cli/commands.h"
#include "harness/cli/output.h"
#include "harness/cli/terminal.h"
#include "harness/cli/trial_flags.h"
#include "results/report/report.h"
#include "results/store/store.h"

namespace ktrial::cli {
namespace {

struct ReportFlags {
  std::string run = "last", format = "text", results, bundle;
  bool list = false, declare_dead = false, no_kernel = false, with_memory = false;
  int trial = -1;
  std::size_t most = 20;
};

Result<int> write_bundle(const ReportFlags& flags, const results::RunRecord& record) {
  bundle::WriteOptions options{.kernel = !flags.no_kernel, .memory = flags.with_memory};
  if (flags.trial >= 0) options.trial = flags.trial;
  const auto written = KTRIAL_TRY(
      bundle::write_bundle(record, options, bundle::secrets_of_this_host(), flags.bundle));
  to_stdout("{}", flags.format == "json" ? bundle::json_of(written, flags.bundle)
                                         : bundle::text_of(written, flags.bundle));
  return 0;
}

Result<int> report(const ReportFlags& flags) {
  auto store = KTRIAL_TRY(results::Store::open(results_dir(flags.results)));
  const bool json = flags.format == "json";
  if (flags.list) {
    const auto runs = KTRIAL_TRY(store.list(flags.most));
    to_stdout("{}", json ? results::list_json(runs) : results::list_text(runs, text_options()));
    return 0;
  }
  const auto record =
      KTRIAL_TRY(flags.declare_dead ? store.declare_dead(flags.run) : store.load(flags.run));
  if (!flags.bundle.empty()) return write_bundle(flags, record);
  to_stdout("{}",
            json ? results::report_json(record) : results::report_text(record, text_options()));
  return 0;
}

}  // namespace

void add_report(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand("report", "Shows a run that was recorded");
  auto flags = std::make_shared<ReportFlags>();
  command->add_option("RUN", flags->run, "Id, beginning of an id, folder, or last")
      ->capture_default_str();
  auto* list =
      command->add_flag("--list", flags->list, "The latest runs, a line each")->excludes("RUN");
  command->add_option("--limit", flags->most, "Of --list; 0: all")
      ->needs(list)
      ->check(CLI::Range(0, 1000000))
      ->capture_default_str();
  command
      ->add_flag("--declare-dead", flags->declare_dead,
                 "Ends the record of a run whose host is gone, as interrupted")
      ->excludes(list);
  command->add_option("--format", flags->format, "text or json")
      ->check(CLI::IsMember({"text", "json"}))
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
      "  ktrial report last --bundle bug.ktrial\n\n"
      "Exit status: 0 when the run could be shown, whatever its outcome.");
  command->callback([&action, flags] { action = [flags] { return report(*flags); }; });
}

}  // namespace ktrial::cli
