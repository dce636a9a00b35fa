// `ktrial reproduce`: a report → an experiment → "reproduced" or not.
#include <memory>

#include "harness/cli/commands.h"
#include "harness/cli/log_reader.h"
#include "harness/cli/output.h"
#include "harness/mail/understand.h"
#include "harness/reproduce/document.h"

namespace ktrial::cli {
namespace {

struct Flags {
  std::vector<std::string> files;
  std::string format = "text";
  bool plan = false;
};

Result<mail::Understanding> understand(const std::vector<std::string>& files) {
  mail::Reader reader;
  for (const std::string& file : files) {
    LogReader log = KTRIAL_TRY(LogReader::open(file));
    reader.begin(file);
    for (bool any = false;; any = true) {
      const auto bytes = log.read();
      if (!bytes && !any) return std::unexpected(bytes.error());
      if (!bytes) to_stderr("ktrial: {}\n", bytes.error().message);
      if (!bytes || bytes->empty()) break;
      reader.feed(*bytes);
    }
  }
  return reader.finish();
}

Result<int> run(const Flags& flags) {
  const auto understood = KTRIAL_TRY(understand(flags.files));
  write_stdout(flags.format == "json" ? reproduce::plan_json(understood) : reproduce::plan_text(understood));
  return 0;
}

}  // namespace

void add_reproduce(CLI::App& app, Action& action, const Invocation&) {
  auto* command = app.add_subcommand("reproduce", "Makes an experiment of a report, and tells whether it shows the failure");
  auto flags = std::make_shared<Flags>();
  command->add_option("REPORT", flags->files, "Mail")->required();
  command->add_flag("--plan", flags->plan, "");
  command->add_option("--format", flags->format, "text or json")->check(CLI::IsMember({"text", "json"}))->capture_default_str();
  command->callback([&action, flags] { action = [flags] { return run(*flags); }; });
}

}  // namespace ktrial::cli
