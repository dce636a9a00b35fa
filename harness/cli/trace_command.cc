// `ktrial trace`: the part of a recovered trace that matters.

#include <fstream>
#include <memory>

#include "harness/base/file.h"
#include "harness/cli/commands.h"
#include "harness/cli/output.h"
#include "harness/cli/trial_flags.h"
#include "harness/spec/parse.h"
#include "harness/trace/console_dump.h"
#include "harness/trace/diff.h"
#include "harness/trace/marks.h"
#include "harness/trace/slice.h"
#include "harness/trace/svg_writer.h"
#include "harness/trial/trace_files.h"
#include "results/store/store.h"

namespace ktrial::cli {
namespace {
namespace fs = std::filesystem;

struct TraceFlags {
  std::string run = "last", results, around, window, console, svg;
  std::vector<std::string> diff;
  int trial = -1, cpu = -1;
};

constexpr char kEnd[] = "end";
constexpr std::size_t kLongestTrace = 1u << 30;
constexpr spec::Milliseconds kWindow{50};

bool has_trace(const results::TrialRecord& trial) {
  std::error_code error;
  return fs::exists(trial.artifacts / "trace.txt", error);
}

// The trial that was asked for; else the first that has a trace, one that failed if there is.
Result<const results::TrialRecord*> find_trial(const results::RunRecord& run, int wanted) {
  for (const bool any : {false, true})
    for (const results::TrialRecord& trial : run.trials) {
      if (wanted >= 0 && trial.index != wanted) continue;
      if (has_trace(trial) && (any || trial.verdict.outcome == results::Outcome::fail))
        return &trial;
    }
  const std::string which = wanted >= 0 ? fmt::format("trial {} of run {}", wanted, run.id)
                                        : fmt::format("run {}", run.id);
  return usage_error(which + " has no trace",
                     "one is recovered when a guest stalls, unless --trace off was given");
}

std::string line_of(const fs::path& file, std::uint64_t number) {
  std::ifstream in(file, std::ios::binary);
  std::string line;
  for (std::uint64_t i = 0; i < number && std::getline(in, line); ++i) continue;
  return in ? line : "";
}

std::int64_t clock_lead(const results::TrialRecord& trial) {
  const auto log = read_file(trial.artifacts / "console.log", kLongestTrace);
  return log ? trace::clock_lead_us(*log) : 0;
}

// `wanted`: a finding's number, counted from 1, or a part of its title.
Result<const results::Finding*> find_finding(const results::TrialRecord& trial,
                                             const std::string& wanted) {
  std::string known;
  for (std::size_t i = 0; i < trial.findings.size(); ++i) {
    const results::Finding& finding = trial.findings[i];
    if (wanted == std::to_string(i + 1) || finding.title.find(wanted) != std::string::npos)
      return &finding;
    known += fmt::format("{}{}: {}", i == 0 ? "" : "; ", i + 1, finding.title);
  }
  return usage_error(
      fmt::format("trial {} has no finding {}", trial.index, spec::in_quotes(wanted)),
      known.empty() ? "its console showed no report; use --around end" : "it has " + known);
}

Result<std::uint64_t> moment_of(const results::TrialRecord& trial, const std::string& around,
                                std::string_view text) {
  if (around.empty() || around == kEnd) {
    if (auto end = trace::end_us(text)) return *end;
    return usage_error("the trace holds no event");
  }
  const results::Finding* finding = KTRIAL_TRY(find_finding(trial, around));
  const fs::path console = trial.artifacts / "console.log";
  if (auto stamp = trace::stamp_us(line_of(console, finding->first_line)))
    return trace::trace_time_us(*stamp, clock_lead(trial));
  return usage_error(
      fmt::format("line {} of {} has no time stamp", finding->first_line, console.string()),
      "boot with printk.time=1, or use --around end");
}

// The trials that a failing one is compared with: those that passed; where none of them has a
// trace, what there is.
Result<std::vector<trace::History>> others(const results::Store& store, const TraceFlags& flags,
                                           const results::TrialRecord& failing) {
  std::vector<const results::TrialRecord*> passed, other;
  std::vector<results::RunRecord> runs;
  for (const std::string& id : flags.diff) runs.push_back(KTRIAL_TRY(store.load(id)));
  for (const results::RunRecord& run : runs)
    for (const results::TrialRecord& trial : run.trials)
      if (has_trace(trial) && trial.artifacts != failing.artifacts)
        (trial.verdict.outcome == results::Outcome::pass ? passed : other).push_back(&trial);
  if (passed.empty() && other.empty())
    return usage_error("no other trial of the runs given to --diff has a trace",
                       "a guest that passes leaves one only when the run asks for it by --trace");
  if (failing.verdict.outcome != results::Outcome::fail)
    to_stdout("NOTE: the trial that is compared did not fail\n");
  if (passed.empty())
    to_stdout("NOTE: no trial that passed has a trace: compared with {} that did not pass\n",
              other.size());
  std::vector<trace::History> out;
  for (const results::TrialRecord* trial : passed.empty() ? other : passed)
    out.push_back(trace::of_workload(
        trace::read_text(KTRIAL_TRY(read_file(trial->artifacts / "trace.txt", kLongestTrace)))));
  return out;
}

std::vector<trace::Mark> marks_of(const results::TrialRecord& trial) {
  if (const auto text = read_file(trial.artifacts / trial::kMarksFile, kLongestTrace))
    if (auto marks = trace::marks_from_json(*text)) return std::move(*marks);
  std::vector<trace::Mark> out;  // of a run that kept none
  const std::int64_t lead = clock_lead(trial);
  for (const results::Finding& finding : trial.findings)
    if (const auto stamp =
            trace::stamp_us(line_of(trial.artifacts / "console.log", finding.first_line)))
      out.push_back(trial::mark_of(finding, *stamp, lead));
  return out;
}

// The trace, and whose it is.
struct Subject {
  results::TrialRecord trial;  // of a console log: empty
  std::string text;
};

Result<Subject> from_console(const std::string& file) {
  auto log = read_file(file, kLongestTrace);
  if (!log) return usage_error(log.error().message, "--console takes a saved console log");
  if (!trace::has_dump(*log))
    return usage_error(file + " holds no dump of a trace",
                       "a kernel prints one with ftrace_dump_on_oops, or on sysrq-z");
  const trace::History history = trace::read_dump(*log);
  if (history.moments.empty()) return usage_error("the dump in " + file + " holds no event");
  return Subject{{}, trace::to_text(history)};
}

Result<Subject> from_run(const results::Store& store, const TraceFlags& flags) {
  const auto run = KTRIAL_TRY(store.load(flags.run));
  const results::TrialRecord* trial = KTRIAL_TRY(find_trial(run, flags.trial));
  return Subject{*trial, KTRIAL_TRY(read_file(trial->artifacts / "trace.txt", kLongestTrace))};
}

Status draw(const TraceFlags& flags, const Subject& subject, const trace::Slice& slice) {
  const trace::History history = trace::read_text(subject.text);
  trace::Span span = trace::before_stall(history);
  if (slice.from_us && slice.to_us) span = {*slice.from_us * 1000, *slice.to_us * 1000};
  KTRIAL_TRY(
      write_file_atomically(flags.svg, trace::to_svg(history, marks_of(subject.trial), span)));
  to_stderr("ktrial: wrote {}\n", flags.svg);
  return {};
}

Result<trace::Slice> slice_of(const TraceFlags& flags, const Subject& subject) {
  trace::Slice slice;
  if (flags.cpu >= 0) slice.cpu = static_cast<unsigned>(flags.cpu);
  if (flags.around.empty() && flags.window.empty()) return slice;
  spec::Milliseconds window = kWindow;
  KTRIAL_TRY(read_flag("--window", flags.window, window, spec::parse_duration));
  const std::uint64_t moment = KTRIAL_TRY(moment_of(subject.trial, flags.around, subject.text));
  const auto reach = static_cast<std::uint64_t>(window.count()) * 1000;
  slice.from_us = moment > reach ? moment - reach : 0;
  slice.to_us = moment + reach;
  return slice;
}

Result<int> show(const TraceFlags& flags) {
  auto store = KTRIAL_TRY(results::Store::open(results_dir(flags.results)));
  const Subject subject =
      KTRIAL_TRY(flags.console.empty() ? from_run(store, flags) : from_console(flags.console));
  const trace::Slice slice = KTRIAL_TRY(slice_of(flags, subject));
  if (!flags.svg.empty()) KTRIAL_TRY(draw(flags, subject, slice));
  if (!flags.diff.empty()) {
    const auto passing = KTRIAL_TRY(others(store, flags, subject.trial));
    to_stdout("{}", trace::to_text(trace::compare(
                        trace::of_workload(trace::read_text(subject.text)), passing)));
  }
  if (!flags.svg.empty() || !flags.diff.empty()) return 0;
  const std::string out = trace::cut(subject.text, slice, !slice.from_us);
  if (out.empty()) to_stderr("ktrial: no event in this slice of the trace\n");
  to_stdout("{}", out);
  return 0;
}

}  // namespace

void add_trace(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand("trace", "Shows the trace recovered from a stalled guest");
  auto flags = std::make_shared<TraceFlags>();
  command->add_option("RUN", flags->run, "Id, beginning of an id, folder, or last")
      ->capture_default_str();
  command->add_option("--trial", flags->trial, "Which trial [the first that has a trace]")
      ->check(CLI::Range(0, spec::kMaxRepeat - 1));
  command->add_option("--around", flags->around,
                      "A finding's number or a part of its title, or end (of the trace)");
  command->add_option("--window", flags->window, "So much before and after it [50ms]");
  command->add_option("--cpu", flags->cpu, "Events of this CPU only")
      ->check(CLI::Range(0, spec::kMaxCpus - 1));
  command
      ->add_option("--diff", flags->diff,
                   "Runs to compare with, their trials that passed: what only RUN does")
      ->delimiter(',');
  command->add_option("--console", flags->console,
                      "Not a run: a console log with a dump of a trace in it");
  command->add_option("--svg", flags->svg, "Draws the slice, or the time before the stall, there");
  command->add_option("--results", flags->results, "Where runs are kept [$XDG_STATE_HOME/ktrial]");
  command->footer(
      "Examples:\n  ktrial trace\n  ktrial trace --around 1 --window 200ms\n"
      "  ktrial trace last --around end --cpu 2\n"
      "  ktrial trace FAILING --diff PASSING1,PASSING2\n  ktrial trace --console console.log\n\n"
      "The trial's folder holds the same as trace.dat (trace-cmd report, KernelShark) and\n"
      "trace.json (ui.perfetto.dev).\n\nExit status: 0 when there was a trace to show.");
  command->callback([&action, flags] { action = [flags] { return show(*flags); }; });
}

}  // namespace ktrial::cli
