// `ktrial report`: a stored run, again.
#include <unistd.h>

#include <memory>

#include "harness/cli/commands.h"
#include "harness/cli/output.h"
#include "harness/cli/terminal.h"
#include "results/report/report.h"
#include "results/store/store.h"

namespace ktrial::cli {
namespace {

struct ReportFlags {
  std::string run = "last", format = "text", results;
};

Result<int> report(const ReportFlags& flags) {
  auto store = KTRIAL_TRY(results::Store::open(flags.results.empty()
                                                   ? results::Store::default_dir()
                                                   : std::filesystem::path(flags.results)));
  const auto record = KTRIAL_TRY(store.load(flags.run));
  to_stdout("{}", flags.format == "json" ? results::report_json(record)
                                         : results::report_text(record, text_options()));
  return 0;
}

}  // namespace

void add_report(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand("report", "Shows a run that was recorded");
  auto flags = std::make_shared<ReportFlags>();
  command->add_option("RUN", flags->run, "Id, beginning of an id, folder, or last")
      ->capture_default_str();
  command->add_option("--format", flags->format, "text or json")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
  command->add_option("--results", flags->results, "Where runs are kept [$XDG_STATE_HOME/ktrial]");
  command->footer(
      "Examples:\n  ktrial report\n  ktrial report last --format json\n\n"
      "Exit status: 0 when the run could be shown, whatever its outcome.");
  command->callback([&action, flags] { action = [flags] { return report(*flags); }; });
}

}  // namespace ktrial::cli
