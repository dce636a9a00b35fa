// `ktrial replay`: a run or a bundle once more: run, judged, or held against another.
#include <algorithm>
#include <filesystem>
#include <memory>

#include "harness/bundle/exact.h"
#include "harness/bundle/report.h"
#include "harness/bundle/seeds.h"
#include "harness/bundle/when.h"
#include "harness/cli/commands.h"
#include "harness/cli/display.h"
#include "harness/cli/exit_codes.h"
#include "harness/cli/find_twin.h"
#include "harness/cli/output.h"
#include "harness/cli/trial_flags.h"
#include "harness/spec/parse.h"

namespace ktrial::cli {
namespace {
using bundle::Kept;
using bundle::Stage;

struct ReplayFlags {
  std::string what = "last", kernel, accel, channel, results, format = "text";
  std::vector<std::string> others;
  int trial = -1, repeat = 1;
  bool judge = false, offline = false, diff_seeds = false;
  bundle::Look look;
  std::uint64_t before_end = 0;
  bool find_twin = false;
  TwinFlags twin;
};

std::optional<int> trial_of(const ReplayFlags& flags) {
  return flags.trial < 0 ? std::nullopt : std::optional(flags.trial);
}

Result<bundle::Choices> choices_of(const ReplayFlags& flags, const Invocation& invocation) {
  std::error_code error;
  return bundle::Choices{.kernel = flags.kernel,
                         .results = std::filesystem::absolute(results_dir(flags.results), error),
                         .cache = KTRIAL_TRY(kernel::default_cache_dir()),
                         .offline = flags.offline,
                         .argv = invocation.argv};
}

Result<int> run_again(const ReplayFlags& flags, const Kept& kept, const Invocation& invocation) {
  bundle::Choices choices = KTRIAL_TRY(choices_of(flags, invocation));
  choices.repeat = flags.repeat;
  KTRIAL_TRY(read_flag("--accel", flags.accel, choices.accel, spec::parse_accel));
  if (!flags.channel.empty())
    KTRIAL_TRY(
        read_flag("--channel", flags.channel, choices.channel.emplace(), spec::parse_channel));
  Display display({.pass_output = false, .output_to_stderr = true});
  const auto replayed = bundle::replay(kept, trial_of(flags), choices,
                                       [&](const run::Event& event) { display.hear(0, event); });
  display.done();
  if (!replayed) return std::unexpected(replayed.error());
  to_stdout("{}", flags.format == "json" ? bundle::json_of(*replayed, kept.name)
                                         : bundle::text_of(*replayed, kept.name));
  return exit_code(replayed->now.verdict.outcome);
}

bool is_exact(const results::TrialRecord& trial) { return trial.determinism.has_value(); }

// Deterministic trials: all of the run, or the one that was named.
Result<int> exactly(const ReplayFlags& flags, const Kept& kept, const Invocation& invocation) {
  bundle::Look look = flags.look;
  if (flags.before_end > 0) look.before_end = flags.before_end;
  // Before anything runs.
  if (!look.when.empty()) KTRIAL_TRY(bundle::parse_when(look.when));
  for (const std::string& word : look.show) KTRIAL_TRY(bundle::parse_word_of_memory(word));
  const auto choices = KTRIAL_TRY(choices_of(flags, invocation));
  std::vector<bundle::ExactReplay> replays;
  bool same = true;
  Display display({.pass_output = false, .output_to_stderr = true});
  for (const results::TrialRecord& trial : kept.run.trials) {
    if (!is_exact(trial) || (flags.trial >= 0 && trial.index != flags.trial)) continue;
    for (int i = 0; i < flags.repeat; ++i) {
      auto replay = bundle::replay_exact(kept, trial, choices, look,
                                         [&](const run::Event& event) { display.hear(0, event); });
      display.done();
      if (!replay) return std::unexpected(replay.error());
      same = same && replay->parted.empty();
      if (flags.format != "json") to_stdout("{}", bundle::text_of(*replay, kept.name));
      replays.push_back(*std::move(replay));
    }
  }
  if (replays.empty())
    return usage_error(kept.name + " has no such deterministic trial",
                       "a replay is a run of its own, and so is each job of --jobs: `ktrial report "
                       "--list` has their ids");
  if (flags.format == "json") to_stdout("{}", bundle::json_of(replays, kept.name));
  return exit_code(same ? kept.run.verdict.outcome : results::Outcome::inconclusive);
}

Result<int> judge(const ReplayFlags& flags, const Kept& kept) {
  const auto judged = KTRIAL_TRY(bundle::judge_again(kept, trial_of(flags)));
  to_stdout("{}",
            flags.format == "json" ? bundle::json_of(judged, kept) : bundle::text_of(judged, kept));
  return exit_code(judged.verdict.outcome);
}

Result<int> diff(const ReplayFlags& flags, const Kept& a, const Kept& b) {
  const auto compared = KTRIAL_TRY(bundle::compare(a, b, trial_of(flags)));
  to_stdout("{}", flags.format == "json" ? bundle::json_of(compared, a.name, b.name)
                                         : bundle::text_of(compared, a.name, b.name));
  return 0;
}

// Deterministic trials that fail against such that pass, of one run or of two.
Result<int> diff_seeds(const ReplayFlags& flags, const std::vector<Kept>& runs,
                       const Invocation& invocation) {
  const auto choices = KTRIAL_TRY(choices_of(flags, invocation));
  Display display({.pass_output = false, .output_to_stderr = true});
  const auto found =
      bundle::diff_seeds(runs, choices, [&](const run::Event& event) { display.hear(0, event); });
  display.done();
  if (!found) return std::unexpected(found.error());
  to_stdout("{}", flags.format == "json" ? bundle::json_of(*found) : bundle::text_of(*found));
  return 0;
}

// After `replay last` the last run is the replay: what it replayed is meant.
std::string meant(const results::Store& store, std::string what) {
  if (what != "last") return what;
  while (const auto run = store.load(what)) {
    const std::string of = bundle::fact(run->facts, bundle::kReplayOf);
    // Ids sort by time, so it ends.
    if (of.empty() || of >= run->id || !store.load(of)) return run->id;
    what = of;
  }
  return what;
}

Result<int> replay(const ReplayFlags& flags, const Invocation& invocation) {
  Janitor janitor = KTRIAL_TRY(Janitor::start());
  const auto store = KTRIAL_TRY(results::Store::open(results_dir(flags.results)));
  const bool runs = !flags.judge && flags.others.empty() && !flags.diff_seeds && !flags.find_twin;
  Kept kept = KTRIAL_TRY(
      bundle::open_kept(store, meant(store, flags.what),
                        runs || flags.diff_seeds ? Stage::machine : Stage::evidence, janitor));
  if (flags.find_twin)
    return find_twin(flags.twin, kept, trial_of(flags), KTRIAL_TRY(choices_of(flags, invocation)),
                     flags.format == "json");
  if (flags.diff_seeds) {
    std::vector<Kept> all;
    all.push_back(std::move(kept));
    for (const std::string& other : flags.others)
      all.push_back(KTRIAL_TRY(bundle::open_kept(store, other, Stage::machine, janitor)));
    return diff_seeds(flags, all, invocation);
  }
  if (runs && std::ranges::any_of(kept.run.trials, is_exact))
    return exactly(flags, kept, invocation);
  if (flags.look.any() || flags.before_end > 0)
    return usage_error("only a deterministic run can be looked into, and " + kept.name + " is none",
                       "make one: `ktrial run --deterministic ...`");
  if (runs) return run_again(flags, kept, invocation);
  if (flags.judge) return judge(flags, kept);
  if (flags.others.size() > 1) return usage_error("--diff: one other run, or --diff-seeds");
  const Kept other =
      KTRIAL_TRY(bundle::open_kept(store, flags.others.front(), Stage::evidence, janitor));
  return diff(flags, kept, other);
}

// What each way of looking at a deterministic run asks for.
std::vector<CLI::Option*> add_looks(CLI::App& command, ReplayFlags& f) {
  return {command.add_option("--stop-at", f.look.stop_at,
                             "Of a deterministic run: hold the machine after N instructions, or at "
                             "the HIT-th visit of a place, SYMBOL[+OFFSET][:HIT], and look at it"),
          command.add_option("--stop-before-end", f.before_end,
                             "The same, so many instructions before its end"),
          command
              .add_option("--trace", f.look.trace,
                          "Of a deterministic run: record every call of these functions")
              ->delimiter(','),
          command.add_flag("--coverage", f.look.coverage,
                           "Of a deterministic run: which functions were run, and from when on"),
          command.add_option("--watch", f.look.watch,
                             "Of a deterministic run: record who writes to a place [:BYTES]: "
                             "SYMBOL, ADDRESS, runqueues@CPU+8, task@PID+task_struct.MEMBER"),
          command
              .add_option("--show", f.look.show,
                          "Of a deterministic run: the value of a word, u32[PLACE], where it is "
                          "held, or at its end; repeatable")
              ->allow_extra_args(false),
          command.add_option("--when", f.look.when,
                             "Of a deterministic run: the first (or last) instant at which a "
                             "condition begins to hold, and the machine there")};
}

void add_find_twin(CLI::App& command, ReplayFlags& f, CLI::Option* judge, CLI::Option* other) {
  auto* twin = command.add_flag("--find-twin", f.find_twin,
                                "Look for the run's failure in deterministic machines: seeds, "
                                "shifts, the workload's settings");
  twin->excludes(judge)->excludes(other);
  command.add_option("--budget", f.twin.budget, "Of --find-twin, 30m [10m]")->needs(twin);
  command.add_option("--jobs", f.twin.jobs, "Of --find-twin: machines beside each other [1]")
      ->check(CLI::Range(1, 1024))
      ->needs(twin);
  add_engine_options(command, f.twin.engine);
  for (const char* name : {"--engine", "--fleet"}) command.get_option(name)->needs(twin);
}

void add_replay_options(CLI::App& command, ReplayFlags& f) {
  command.add_option("RUN|BUNDLE", f.what, "Id, beginning of an id, folder, last, or a bundle")
      ->capture_default_str();
  auto* judge = command.add_flag(
      "--judge", f.judge, "No machine: today's rules over the kept evidence, and what they change");
  auto* other =
      command
          .add_option("--diff", f.others, "No machine: in what this other run or bundle differs")
          ->delimiter(',')
          ->allow_extra_args(false);
  judge->excludes(other);
  command
      .add_flag("--diff-seeds", f.diff_seeds,
                "Of deterministic runs: what failing trials run more of than passing ones, of this "
                "run and the one of --diff, ranked by a test; and where two of them part")
      ->excludes(judge);
  add_find_twin(command, f, judge, other);
  command.add_option("--trial", f.trial, "Of the run [the failure that names it; --judge: all]")
      ->check(CLI::NonNegativeNumber);
  std::vector<CLI::Option*> machines = {
      command.add_option("--repeat", f.repeat, "Trials [1]")
          ->check(CLI::Range(1, spec::kMaxRepeat)),
      command.add_option("--kernel", f.kernel, "Another kernel than the kept one"),
      command.add_option("--accel", f.accel, "auto, kvm or tcg [as kept]"),
      command.add_option("--channel", f.channel,
                         "auto, vhost-vsock, vhost-user-vsock or virtio-serial [as kept]")};
  for (CLI::Option* look : add_looks(command, f)) machines.push_back(look);
  for (CLI::Option* option : machines) option->excludes(judge)->excludes(other);
  command.add_flag("--offline", f.offline, "Download nothing")->excludes(judge);
  command.add_option("--results", f.results, "Where runs are kept [$XDG_STATE_HOME/ktrial]");
  command.add_option("--format", f.format, "text or json")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
}

}  // namespace

void add_replay(CLI::App& app, Action& action, const Invocation& invocation) {
  auto* command = app.add_subcommand(
      "replay", "Runs a recorded run or a bundle again, judges it again, or compares two");
  auto flags = std::make_shared<ReplayFlags>();
  add_replay_options(*command, *flags);
  command->footer(R"(Examples:
  ktrial replay bug.ktrial --repeat 10     another host's failure, here: the same one? what differs?
  ktrial replay last                       a deterministic run: is it the same, bit for bit?
  ktrial replay last --trial 3 --stop-at mm_get_cid:120     the machine at that instant
  ktrial replay last --trial 3 --trace mm_get_cid,sched_mm_cid_fork
  ktrial replay last --when 'last vcpu 2 in mm_get_cid'     from when on it never left it
  ktrial replay last --when 'first u32[jiffies] > 0 and vcpu 0 in user'
  ktrial replay last --show 'u32[task@153+task_struct.mm_cid.cid]'     which id a sleeping task has
  ktrial replay last --watch 'task@153+task_struct.mm_cid.cid:4'       and who gave it
  ktrial replay last --diff-seeds          what the failing ones of its seeds have in common
  ktrial replay last --find-twin --jobs 2  a failure that came by chance, as one that always comes
  ktrial replay ID --find-twin --jobs 50 --engine slurm --results /shared/ktrial      on a cluster
  ktrial replay last --judge               today's rules over what the last run left behind
  ktrial replay bug.ktrial --diff last     kernel, machine, host, verdict, first other console line

Exit status as of `run`: of the trials that ran, or of the new judgement; --diff: 0 when both could
be read. A bundle is made by `ktrial report RUN --bundle FILE`; docs/bundles.md says what is in it, and
docs/replay.md what a deterministic run shows.)");
  command->callback([&action, flags, &invocation] {
    action = [flags, &invocation] { return replay(*flags, invocation); };
  });
}

}  // namespace ktrial::cli
