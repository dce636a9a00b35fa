// The answer to a report.
#include <fmt/format.h>

#include <algorithm>

#include "harness/base/text.h"
#include "harness/reproduce/document.h"
#include "results/report/report.h"

namespace ktrial::reproduce {
namespace {

using results::printable;

std::string subject_of(const Story& story) {
  const std::string& subject = story.report.subject;
  std::string out = printable(subject);
  if (out.empty() && !story.report.failures.empty())
    out = printable(story.report.failures.front().title);
  if (out.empty()) return {};
  std::string lower = out.substr(0, 3);
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return std::tolower(c); });
  return fmt::format("Subject: {}{}\n\n", lower == "re:" ? "" : "Re: ", out);
}

std::string machine_of(const Story& story, const spec::TrialSpec& spec) {
  return fmt::format("QEMU{}{}, {} CPUs, {} MiB", story.accel.empty() ? "" : ", ", story.accel,
                     spec.cpus, spec.memory_mib);
}

std::string what_runs(const spec::TrialSpec& spec) {
  if (!spec.command.empty())
    return "the report's program, " + printable(results::shell_quoted(spec.command));
  return "ktrial's workload " + spec.workload;
}

const Tried* first_sight(const Search& search) {
  const auto found = std::ranges::find_if(search.trials, shows);
  return found == search.trials.end() ? nullptr : &*found;
}

std::string seen_text(const Story& story) {
  const Search& search = *story.search;
  const Setting& setting = story.experiment.settings[*search.setting];
  const Tried& first = *first_sight(search);
  const results::Verdict& verdict = first.record.verdict;
  const stats::Interval range = search.interval();
  std::string out = first.match.same == Same::likely
                        ? "I can most likely reproduce this: the kind of failure is the same; the "
                          "report does not\nsay where it fails.\n\n"
                        : "I can reproduce this.\n\n";
  out += fmt::format("  failure   {}\n", printable(verdict.title));
  if (!verdict.culprit.empty()) out += fmt::format("  culprit   {}\n", printable(verdict.culprit));
  out += fmt::format("  the same  {}\n", printable(first.match.why));
  out += fmt::format("  kernel    {} ({})\n", printable(setting.spec.kernel),
                     printable(first.record.kernel.release));
  out += fmt::format("  machine   {}\n", machine_of(story, setting.spec));
  out += fmt::format("  load      {}, {}\n", what_runs(setting.spec), setting.what);
  if (search.measured.trials > 0)
    out += fmt::format("  rate      {} of {} trials (95 %: {} to {})\n", search.measured.fails,
                       search.measured.trials, percent(range.low), percent(range.high));
  else
    out += fmt::format("  rate      seen in trial {} (95 %: {} to {})\n", search.first,
                       percent(range.low), percent(range.high));
  out +=
      fmt::format("  command   {}\n", printable(results::shell_quoted(command_line(setting.spec))));
  for (const results::Finding& finding : first.record.findings) {
    out += "\nWhat the kernel says:\n\n";
    std::string_view excerpt = finding.excerpt;
    for (int lines = 0; lines < 24; ++lines) {
      const auto line = take_line(excerpt);
      if (!line) break;
      out += "  " + printable(*line) + "\n";
    }
    break;
  }
  if (first.record.findings.empty() && !first.record.incident.chain.empty()) {
    out += "\nThe kernel says nothing; as seen from outside:\n\n";
    for (const std::string& line : first.record.incident.chain)
      out += "  " + printable(line) + "\n";
  }
  return out;
}

std::string not_seen_text(const Story& story) {
  const stats::Tally all = story.search->tally();
  std::string out = fmt::format(
      "I could not reproduce this in {} trials: in what I tried its rate is below {} (95 %).\n\n",
      all.trials, percent(stats::exact_upper({0, all.trials}, 0.95)));
  for (std::size_t i = 0; i < story.experiment.settings.size(); ++i) {
    const stats::Tally tally = story.search->tally(i);
    if (tally.trials == 0) continue;
    const Setting& setting = story.experiment.settings[i];
    out += fmt::format("  {} trials: {}\n", tally.trials,
                       printable(results::shell_quoted(command_line(setting.spec))));
  }
  if (!story.experiment.unknown.empty()) out += "\nTo try again it would help to know:\n\n";
  for (const Unknown& unknown : story.experiment.unknown)
    out += fmt::format("  - {}\n", unknown.what);
  return out;
}

// Only who saw it fail without has tested the fix.
std::string tested_text(const Story& story) {
  if (!story.fix || story.fix->without.fails == 0) return {};
  const FixTrial& fix = *story.fix;
  const auto counts =
      fmt::format("  without  {} of {} trials failed: {}\n  with     {} of {} trials failed: {}\n",
                  fix.without.fails, fix.without.trials, printable(story.without), fix.with.fails,
                  fix.with.trials, printable(story.with));
  std::string out = fmt::format("\nThe fix, {}, with and without in turns:\n\n{}",
                                printable(story.fix_name), counts);
  for (const std::string& other : fix.others)
    out += fmt::format("  with it another failure came: {}\n", printable(other));
  if (fix.end == FixEnd::fixed) out += "\nTested-by: Your Name <you@example.org>\n";
  if (fix.end == FixEnd::not_fixed || fix.end == FixEnd::better)
    out += "\nIt does not mend what was reported.\n";
  return out;
}

}  // namespace

std::string mail_text(const Story& story) {
  if (!story.search || story.search->end == End::inconclusive) return {};
  std::string out = subject_of(story);
  out += story.search->end == End::reproduced ? seen_text(story) : not_seen_text(story);
  out += tested_text(story);
  return out + fmt::format("\n-- \nktrial {}\n", results::ktrial_version());
}

}  // namespace ktrial::reproduce
