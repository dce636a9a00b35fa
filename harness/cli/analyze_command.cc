// `ktrial analyze`: console logs, saved or growing → findings. No VM.
#include <algorithm>
#include <filesystem>
#include <memory>
#include <vector>

#include "harness/cli/commands.h"
#include "harness/cli/log_reader.h"
#include "harness/cli/output.h"
#include "harness/cli/terminal.h"
#include "harness/cli/trial_flags.h"
#include "harness/console/analyzer.h"
#include "harness/spec/timeouts.h"
#include "harness/subtests/subtests.h"
#include "harness/trial/findings.h"
#include "results/report/batch.h"

namespace ktrial::cli {
namespace {
namespace fs = std::filesystem;

struct Options {
  std::vector<std::string> files;
  std::string format = "text";
  std::vector<std::string> fail_on;
  bool summary = false, follow = false, exit_code = false;
};

// What reads a log: the kernel's reports, and the subtests of a test program or of KUnit.
struct Readers {
  explicit Readers(const Options& options) : console(trial::kinds_of(options.fail_on)) {}
  void feed(std::string_view bytes) {
    console.feed(bytes);
    subtests.feed(bytes);
  }

  console::Analyzer console;
  subtests::Parser subtests{subtests::Source::saved_log};
};

results::FileFindings result_of(const std::string& name, const Readers& readers) {
  const console::Analyzer& analyzer = readers.console;
  results::FileFindings out{name, trial::to_records(analyzer.findings())};
  const subtests::Summary subtests = readers.subtests.summary();
  out.subtests = trial::to_records(subtests);
  out.subtests_missing = subtests.missing;
  for (const console::Finding& note : analyzer.notes())
    out.notes.push_back({note.title, note.kind, note.first_line});
  out.unknown_wrapping = analyzer.unknown_wrapping();
  return out;
}

Result<results::FileFindings> analyze_file(const std::string& path, const Options& options) {
  LogReader log = KTRIAL_TRY(LogReader::open(path));
  Readers readers(options);
  console::Analyzer& analyzer = readers.console;
  for (;;) {
    const auto bytes = log.read();
    // Of a file that is cut, the beginning is as good as a whole one.
    if (!bytes && analyzer.lines() == 0) return std::unexpected(bytes.error());
    if (!bytes) to_stderr("ktrial: {}\n", bytes.error().message);
    if (!bytes || bytes->empty()) break;
    readers.feed(*bytes);
  }
  analyzer.finish();
  return result_of(path, readers);
}

// Folders become the regular files in them, in order.
Result<std::vector<std::string>> files_of(const std::vector<std::string>& names) {
  std::vector<std::string> out;
  for (const std::string& name : names) {
    std::error_code error;
    if (name == "-" || !fs::is_directory(name, error)) {
      out.push_back(name);
      continue;
    }
    std::vector<std::string> inside;
    fs::recursive_directory_iterator at(name, fs::directory_options::skip_permission_denied, error);
    for (const fs::recursive_directory_iterator end; !error && at != end; at.increment(error)) {
      std::error_code none;
      if (at->is_regular_file(none) && !at->is_symlink(none)) inside.push_back(at->path().string());
    }
    if (error) return usage_error("read folder " + name + ": " + error.message());
    std::sort(inside.begin(), inside.end());
    out.insert(out.end(), inside.begin(), inside.end());
  }
  return out;
}

void print(const std::vector<results::FileFindings>& analyzed, const Options& options) {
  if (options.format == "junit")
    write_stdout(results::analyze_junit(analyzed));
  else if (options.format == "json")
    write_stdout(results::analyze_json(analyzed, options.summary));
  else if (options.summary)
    write_stdout(results::summary_text(analyzed, text_options()));
  else
    write_stdout(results::analyze_text(analyzed, text_options()));
}

bool has_failure(const results::FileFindings& file) {
  return !file.findings.empty() || file.subtests_missing > 0 ||
         std::ranges::any_of(file.subtests, &results::Subtest::bad);
}

Result<int> analyze_files(const Options& options) {
  const std::vector<std::string> files = KTRIAL_TRY(files_of(options.files));
  std::vector<results::FileFindings> analyzed;
  bool failed = false;
  for (const std::string& file : files) {
    analyzed.push_back(KTRIAL_TRY(analyze_file(file, options)));
    failed = failed || has_failure(analyzed.back());
  }
  print(analyzed, options);
  return options.exit_code && failed ? 1 : 0;
}

// A report is told when nothing more of it comes for a while, or when the next one begins.
Result<int> follow(const Options& options) {
  if (options.files.size() != 1)
    return usage_error("--follow reads one stream", "name one file, or - for stdin");
  const std::string& name = options.files.front();
  LogReader log = KTRIAL_TRY(LogReader::open(name, true));
  Readers readers(options);
  console::Analyzer& analyzer = readers.console;
  const spec::Milliseconds quiet_time = spec::make_timeouts(1, spec::profile_kvm()).report_settle;
  std::size_t told = 0;
  const auto tell_until = [&](std::size_t end) {
    for (; told < end && options.format == "text" && !options.summary; ++told) {
      results::FileFindings one{name, trial::to_records(analyzer.findings())};
      one.findings = {one.findings[told]};
      write_stdout(results::analyze_text({one}, text_options()));
      (void)finish_output();  // what is lost is said at the end
    }
    told = end;
    return options.exit_code && told > 0;
  };
  for (;;) {
    const std::size_t found = analyzer.findings().size();
    const bool quiet = found > told && !log.wait(quiet_time);
    if (tell_until(quiet || found == told ? found : found - 1)) break;
    const std::string_view bytes = KTRIAL_TRY(log.read());
    if (bytes.empty()) break;
    readers.feed(bytes);
  }
  analyzer.finish();
  tell_until(analyzer.findings().size());
  if (options.format != "text" || options.summary) print({result_of(name, readers)}, options);
  return options.exit_code && told > 0 ? 1 : 0;
}

}  // namespace

void add_analyze(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand(
      "analyze", "Finds kernel reports in console logs, and failed subtests in saved test output");
  auto options = std::make_shared<Options>();
  command
      ->add_option(
          "FILE", options->files,
          "Logs, plain or compressed, in any wrapping; folders of them; - is standard input")
      ->required();
  command->add_option("--format", options->format, "text, json or junit")
      ->check(CLI::IsMember({"text", "json", "junit"}))
      ->capture_default_str();
  add_fail_on(*command, options->fail_on);
  command->add_flag("--summary", options->summary, "Group equal reports by signature");
  command->add_flag("--follow", options->follow,
                    "Read a log that grows; tell each report when it is complete");
  command->add_flag(
      "--exit-code", options->exit_code,
      "Exit with 1 if there is a report, or a subtest failed; with --follow, at the first "
      "report");
  command->footer(
      "Examples:\n  ktrial analyze console.log\n  ktrial analyze --summary /var/log\n"
      "  ktrial analyze kselftest.ktap\n"
      "  journalctl -kf | ktrial analyze --follow --exit-code -\n\n"
      "Exit status: 0 when the files could be read, whatever was found; with --exit-code 1 when "
      "there is a report, or a subtest that failed.");
  command->callback([&action, options] {
    action = [options] { return options->follow ? follow(*options) : analyze_files(*options); };
  });
}

}  // namespace ktrial::cli
