#include "harness/cli/progress.h"

#include <unistd.h>

#include <cstdio>

#include "harness/base/file.h"
#include "harness/cli/output.h"
#include "results/report/report.h"

namespace ktrial::cli {

Progress::Progress(const Options& options)
    : options_(options), terminal_(::isatty(STDERR_FILENO)) {}

void Progress::line(const std::string& text) {
  done();
  to_stderr("ktrial: {}\n", results::printable(text));
}

void Progress::on_step(const std::string& text) { line(text); }

void Progress::on_output(wire::Stream stream, std::string_view bytes) {
  if (!options_.pass_output) return;
  done();
  const bool out = stream == wire::Stream::out && !options_.output_to_stderr;
  // A reader that went away is no reason to stop a trial.
  (void)write_all(out ? STDOUT_FILENO : STDERR_FILENO, bytes);
}

void Progress::on_progress(const wire::Progress& progress) {
  if (!terminal_) return;
  const std::string total = progress.total != 0 ? fmt::format("/{}", progress.total) : "";
  to_stderr("\r\033[Kktrial:   {}{} {}", progress.done, total, results::printable(progress.text));
  live_ = true;
}

void Progress::on_finding(const console::Finding& finding) {
  line("  the kernel reports: " + finding.title);
}

void Progress::trial_ended(const results::TrialRecord& record) {
  line(fmt::format(
      "trial {}: {} after {:.1f} s{}", record.index + 1, name(record.verdict.outcome),
      record.duration_s,
      record.verdict.outcome == results::Outcome::pass
          ? ""
          : ": " + (record.verdict.title.empty() ? record.verdict.reason : record.verdict.title)));
}

void Progress::done() {
  if (live_) to_stderr("\r\033[K");
  live_ = false;
}

}  // namespace ktrial::cli
