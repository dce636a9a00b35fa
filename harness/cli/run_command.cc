// `ktrial run`: flags and spec file → one library call → text or JSON.
#include <algorithm>
#include <filesystem>
#include <memory>

#include "harness/campaign/batch.h"
#include "harness/cli/build_flags.h"
#include "harness/cli/commands.h"
#include "harness/cli/display.h"
#include "harness/cli/engine_choice.h"
#include "harness/cli/exit_codes.h"
#include "harness/cli/output.h"
#include "harness/cli/terminal.h"
#include "harness/cli/trial_flags.h"
#include "harness/run/run.h"
#include "harness/spec/parse.h"
#include "harness/spec/rotation.h"
#include "harness/spec/validate.h"
#include "harness/spec/workload.h"
#include "harness/trial/plan.h"
#include "results/report/batch.h"
#include "results/report/report.h"

namespace ktrial::cli {
namespace {

struct RunFlags {
  TrialFlags trial;
  BuildFlags build;
  EngineFlags engine;
  std::string kernel;
  DeterministicFlags deterministic;
  int repeat = 0, boots = 2, jobs = 0, confirm_cold = 0;
  bool rotate = false, until_fail = false, core = false, keep_machine = false;
};

Result<std::vector<spec::TrialSpec>> rotated(const std::vector<spec::TrialSpec>& specs) {
  if (specs.size() != 1)
    return usage_error("--rotate is of one spec: a matrix says itself what it turns");
  int min_cpus = 1;
  if (specs.front().command.empty()) {
    const auto payload = KTRIAL_TRY(trial::find_payload());
    min_cpus =
        KTRIAL_TRY(spec::find_workload(payload / "workloads", specs.front().workload)).min_cpus;
  }
  auto out = spec::rotation(specs.front(), min_cpus);
  for (const spec::TrialSpec& spec : out) KTRIAL_TRY(spec::validate(spec));
  return out;
}

Result<std::vector<spec::TrialSpec>> specs_of(const RunFlags& flags,
                                              const std::vector<std::string>& command) {
  auto specs = KTRIAL_TRY(specs_of(flags.trial, command));
  for (spec::TrialSpec& spec : specs) {
    if (!flags.kernel.empty()) spec.kernel = flags.kernel;
    if (flags.repeat != 0) spec.repeat = flags.repeat;
    if (flags.until_fail) spec.until_fail = true;
    if (flags.core) spec.core = true;
    if (flags.confirm_cold != 0) spec.confirm_cold = flags.confirm_cold;
    if (flags.keep_machine) spec.keep_machine = true;
    flags.deterministic.apply(spec);
    KTRIAL_TRY(spec::validate(spec));
  }
  if (flags.rotate) specs = KTRIAL_TRY(rotated(specs));
  const auto from_tree = [](const spec::TrialSpec& spec) {
    return spec.kernel.starts_with("git:");
  };
  if (!flags.build.tree.empty() && std::ranges::none_of(specs, from_tree))
    return usage_error(
        "--tree is for a kernel of it, but the kernel is " + specs.front().kernel,
        "add --kernel git:HEAD; a tree that is built is --kernel " + flags.build.tree);
  return specs;
}

// Jobs of this invocation, in the order of the cells.
Result<std::vector<run::Job>> jobs_of(const RunFlags& flags, const Invocation& invocation) {
  const auto specs = KTRIAL_TRY(specs_of(flags, invocation.command));
  std::error_code error;
  const run::Job base{.build = run::to_values(KTRIAL_TRY(git_options(flags.build))),
                      .results = std::filesystem::absolute(results_dir(flags.trial.results), error),
                      .offline = flags.trial.offline,
                      .argv = invocation.argv,
                      .working_dir = std::filesystem::current_path(error),
                      .boots = flags.boots};
  std::vector<run::Job> jobs;
  for (const spec::TrialSpec& spec : specs) {
    run::Job& job = jobs.emplace_back(base);
    job.spec = spec;
    job.cell = spec::cell_name(spec);
  }
  return jobs;
}

// One spec: in this process.
Result<int> run_alone(const run::Job& job, const Display::Options& options, bool json) {
  Display display(options);
  const auto record = run::run_job(job, [&](const run::Event& event) { display.hear(0, event); });
  display.done();
  if (!record) return std::unexpected(record.error());
  to_stdout("{}",
            json ? results::report_json(*record) : results::report_text(*record, text_options()));
  return exit_code(record->verdict.outcome);
}

// Each a process. What there is of results is told, whatever became of the rest.
Result<int> run_several(const std::vector<run::Job>& jobs, const RunFlags& flags,
                        Display::Options options, bool json) {
  options.several = true;
  Display display(options);
  const auto chosen = KTRIAL_TRY(
      choose_engine(flags.engine,
                    {.results = jobs.front().results,
                     .at_a_time = flags.jobs,
                     .tell = [&](const std::string& text) { display.line(text); }},
                    [&](engine::JobId job, const run::Event& event) { display.hear(job, event); }));
  const campaign::BatchOptions defaults;
  const auto outcome = campaign::run_batch(
      *chosen.engine, jobs,
      // Rotated, so that configurations take turns.
      {.split = flags.jobs > 0 || flags.rotate || flags.engine.engine != "local",
       .window = std::max(defaults.window, static_cast<int>(chosen.room.vcpus * chosen.ahead)),
       .on_begin = [&](engine::JobId id, const run::Job& job) { display.begin(id, job.cell); },
       .on_done = [&](engine::JobId id,
                      const results::BatchPart& part) { display.end(id, part.problem); }});
  display.done();
  const auto whole = results::merged(outcome.record);
  if (!outcome.error || !whole.trials.empty())
    to_stdout("{}", json ? results::batch_json(outcome.record)
                         : results::batch_text(outcome.record, text_options()));
  if (outcome.error) return std::unexpected(*outcome.error);
  return exit_code(whole.verdict.outcome);
}

Result<int> run(const RunFlags& flags, const Invocation& invocation) {
  const auto jobs = KTRIAL_TRY(jobs_of(flags, invocation));
  const bool json = flags.trial.format == "json";
  // A packed command is a filter like any other: its output is the output.
  const Display::Options options{.pass_output = !invocation.command.empty(),
                                 .output_to_stderr = json};
  if (jobs.size() == 1 && flags.jobs == 0 && flags.engine.engine == "local")
    return run_alone(jobs.front(), options, json);
  return run_several(jobs, flags, options, json);
}

}  // namespace

void add_run(CLI::App& app, Action& action, const Invocation& invocation) {
  auto* command = app.add_subcommand("run", "Boots a kernel, stresses it, judges it");
  auto flags = std::make_shared<RunFlags>();
  auto& f = *flags;
  command->add_option(
      "--kernel", f.kernel,
      "Image, build tree, git:REV (with --tree), deb:PACKAGE[=VERSION], deb:FILE, or host [" +
          arch::native().default_kernel + "]");
  add_trial_options(*command, f.trial);
  add_build_options(*command, f.build);
  command->add_option("--repeat", f.repeat, "Trials [1]")->check(CLI::Range(1, spec::kMaxRepeat));
  command
      ->add_option(
          "--jobs", f.jobs,
          "Trials beside each other, each in a process of its own, whatever the host's CPUs "
          "[a matrix: as the host has room]")
      ->check(CLI::Range(1, 1024));
  add_engine_options(*command, f.engine);
  command->add_flag("--until-fail", f.until_fail,
                    "Go on until a trial fails (at most --repeat trials, if given)");
  command
      ->add_option("--boots", f.boots,
                   "Under TCG: boots of a trial, if the first one is lost before it begins [2]")
      ->check(CLI::Range(1, 2));
  command
      ->add_option("--confirm-cold", f.confirm_cold,
                   "After the first failure of a trial that was resumed: N trials that boot")
      ->check(CLI::Range(1, spec::kMaxConfirmCold));
  command->add_flag("--rotate", f.rotate,
                    "Share the trials out among configurations (a CPU fewer or more, preempt=none "
                    "and =full, cold starts): a single one can hide a race");
  add_deterministic_options(*command, f.deterministic,
                            "What a trial shows it shows every time, bit for bit; `ktrial replay` "
                            "looks into it (docs/replay.md)");
  command->add_flag("--keep-machine", f.keep_machine,
                    "Keep a failed trial's machine as it stood, for `ktrial open`");
  command->add_flag("--core", f.core,
                    "Keep a core file (vmcore) of a stalled guest, for crash, drgn, makedumpfile");
  command->footer(R"(Examples:
  ktrial run --kernel deb:linux-image-cloud-amd64 --workload mmcid-vfork --repeat 10
  ktrial run --kernel ~/linux --workload vfork-storm --set processes=8 --duration 1m
  ktrial run --kernel git:v6.18 --tree ~/linux --config kasan
  ktrial run --kernel bzImage -- ./my-reproducer --fast     packs the program and its libraries
  ktrial run --kernel bzImage --root host -- python3 reproducer.py     with the host's files, copy on write
  ktrial run --kernel bzImage --root debian:bookworm -- ./all-tests.sh
  ktrial run --kernel bzImage --until-fail --format json nightly.toml
  ktrial run --kernel bzImage --repeat 30 --jobs 3
  ktrial run --kernel bzImage --repeat 1000 --engine slurm --results /shared/ktrial
  ktrial run --kernel bzImage --workload mmcid-vfork --repeat 30 --rotate
  ktrial run --kernel bzImage --deterministic --repeat 10 --jobs 2     seeds 1 to 10, two at a time

A command after -- gets the guest to itself; its non-zero exit is a fail. The run's folder, with
console log, events and a qemu.sh to boot the same machine by hand, is named at the end.)");
  command->callback([&action, flags, &invocation] {
    action = [flags, &invocation] { return run(*flags, invocation); };
  });
}

}  // namespace ktrial::cli
