// `ktrial analyze`: saved console logs → findings. No VM.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <vector>

#include "harness/base/file.h"
#include "harness/cli/commands.h"
#include "harness/cli/output.h"
#include "harness/cli/terminal.h"
#include "harness/console/analyzer.h"
#include "harness/trial/findings.h"
#include "results/report/report.h"

namespace ktrial::cli {
namespace {

Result<results::FileFindings> analyze_file(const std::string& path) {
  Fd opened;
  int fd = STDIN_FILENO;
  if (path != "-") {
    auto file = open_file(path, O_RDONLY);
    if (!file) return usage_error(file.error().message, "name a saved console log, or - for stdin");
    opened = std::move(*file);
    fd = opened.get();
  }
  console::Analyzer analyzer;
  std::vector<char> buffer(1 << 20);
  for (;;) {
    const ssize_t n = ::read(fd, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno("read " + path, errno, ErrorKind::usage);
    if (n == 0) break;
    analyzer.feed({buffer.data(), static_cast<std::size_t>(n)});
  }
  analyzer.finish();
  return results::FileFindings{path, trial::to_records(analyzer.findings())};
}

Result<int> analyze(const std::vector<std::string>& files, const std::string& format) {
  std::vector<results::FileFindings> analyzed;
  for (const std::string& file : files) analyzed.push_back(KTRIAL_TRY(analyze_file(file)));
  to_stdout("{}", format == "json" ? results::analyze_json(analyzed)
                                   : results::analyze_text(analyzed, text_options()));
  return 0;
}

}  // namespace

void add_analyze(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand("analyze", "Finds kernel reports in saved console logs");
  auto files = std::make_shared<std::vector<std::string>>();
  auto format = std::make_shared<std::string>("text");
  command->add_option("FILE", *files, "Console logs; - is standard input")->required();
  command->add_option("--format", *format, "text or json")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
  command->footer(
      "Examples:\n  ktrial analyze console.log\n  dmesg | ktrial analyze -\n\n"
      "Exit status: 0 when the files could be read, whatever was found.");
  command->callback(
      [&action, files, format] { action = [files, format] { return analyze(*files, *format); }; });
}

}  // namespace ktrial::cli
