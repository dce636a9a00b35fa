// `ktrial trace`: the part of a recovered trace that matters.
#include <fmt/core.h>

#include <fstream>
#include <memory>

#include "harness/base/file.h"
#include "harness/cli/commands.h"
#include "harness/spec/parse.h"
#include "harness/trace/slice.h"
#include "results/store/store.h"

namespace ktrial::cli {
namespace {
namespace fs = std::filesystem;

struct TraceFlags {
  std::string run = "last", results, around, window;
  int trial = -1, cpu = -1;
};

constexpr char kEnd[] = "end";
constexpr std::size_t kLongestTrace = 1u << 30;
constexpr spec::Milliseconds kWindow{50};

// The trial that was asked for; else the first that has a trace.
Result<const results::TrialRecord*> find_trial(const results::RunRecord& run, int wanted) {
  for (const results::TrialRecord& trial : run.trials) {
    if (wanted >= 0 && trial.index != wanted) continue;
    std::error_code error;
    if (fs::exists(trial.artifacts / "trace.txt", error)) return &trial;
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
  if (auto stamp = trace::stamp_us(line_of(console, finding->first_line))) return *stamp;
  return usage_error(
      fmt::format("line {} of {} has no time stamp", finding->first_line, console.string()),
      "boot with printk.time=1, or use --around end");
}

Result<int> show(const TraceFlags& flags) {
  spec::Milliseconds window = kWindow;
  if (!flags.window.empty()) window = KTRIAL_TRY(spec::parse_duration(flags.window));
  auto store = KTRIAL_TRY(results::Store::open(flags.results.empty() ? results::Store::default_dir()
                                                                     : fs::path(flags.results)));
  const auto run = KTRIAL_TRY(store.load(flags.run));
  const results::TrialRecord* trial = KTRIAL_TRY(find_trial(run, flags.trial));
  const auto text = KTRIAL_TRY(read_file(trial->artifacts / "trace.txt", kLongestTrace));

  trace::Slice slice;
  if (flags.cpu >= 0) slice.cpu = static_cast<unsigned>(flags.cpu);
  const bool part = !flags.around.empty() || !flags.window.empty();
  if (part) {
    const std::uint64_t moment = KTRIAL_TRY(moment_of(*trial, flags.around, text));
    const auto reach = static_cast<std::uint64_t>(window.count()) * 1000;
    slice.from_us = moment > reach ? moment - reach : 0;
    slice.to_us = moment + reach;
  }
  const std::string out = trace::cut(text, slice, !part);
  if (out.empty()) fmt::print(stderr, "ktrial: no event in this slice of the trace\n");
  fmt::print("{}", out);
  return 0;
}

}  // namespace

void add_trace(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand("trace", "Shows the trace recovered from a stalled guest");
  auto flags = std::make_shared<TraceFlags>();
  command->add_option("RUN", flags->run, "Id, beginning of an id, folder, or last")
      ->capture_default_str();
  command->add_option("--trial", flags->trial, "Which trial [the first that has a trace]")
      ->check(CLI::NonNegativeNumber);
  command->add_option("--around", flags->around,
                      "A finding's number or a part of its title, or end (of the trace)");
  command->add_option("--window", flags->window, "So much before and after it [50ms]");
  command->add_option("--cpu", flags->cpu, "Events of this CPU only")
      ->check(CLI::NonNegativeNumber);
  command->add_option("--results", flags->results, "Where runs are kept [$XDG_STATE_HOME/ktrial]");
  command->footer(
      "Examples:\n  ktrial trace\n  ktrial trace --around 1 --window 200ms\n"
      "  ktrial trace last --around end --cpu 2\n\n"
      "The trial's folder holds the same as trace.dat (trace-cmd report, KernelShark) and\n"
      "trace.json (ui.perfetto.dev).\n\nExit status: 0 when there was a trace to show.");
  command->callback([&action, flags] { action = [flags] { return show(*flags); }; });
}

}  // namespace ktrial::cli
