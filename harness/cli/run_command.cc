// `ktrial run`: flags and spec file → one library call → text or JSON.
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "harness/cli/build_flags.h"
#include "harness/cli/commands.h"
#include "harness/cli/exit_codes.h"
#include "harness/cli/output.h"
#include "harness/cli/progress.h"
#include "harness/cli/terminal.h"
#include "harness/cli/trial_flags.h"
#include "harness/spec/parse.h"
#include "harness/run/run.h"
#include "results/report/report.h"

namespace ktrial::cli {
namespace {

struct RunFlags {
  TrialFlags trial;
  BuildFlags build;
  std::string kernel;
  int repeat = 0, boots = 2;
  bool until_fail = false, core = false;
};

Result<std::vector<spec::TrialSpec>> specs_of(const RunFlags& flags,
                                              const std::vector<std::string>& command) {
  auto specs = KTRIAL_TRY(specs_of(flags.trial, command));
  for (spec::TrialSpec& spec : specs) {
    if (!flags.kernel.empty()) spec.kernel = flags.kernel;
    if (flags.repeat != 0) spec.repeat = flags.repeat;
    if (flags.until_fail) spec.until_fail = true;
    if (flags.core) spec.core = true;
    KTRIAL_TRY(spec::validate(spec));
  }
  const auto from_tree = [](const spec::TrialSpec& spec) {
    return spec.kernel.starts_with("git:");
  };
  if (!flags.build.tree.empty() && std::ranges::none_of(specs, from_tree))
    return usage_error(
        "--tree is for a kernel of it, but the kernel is " + specs.front().kernel,
        "add --kernel git:HEAD; a tree that is built is --kernel " + flags.build.tree);
  return specs;
}

Result<int> run(const RunFlags& flags, const Invocation& invocation) {
  const auto specs = KTRIAL_TRY(specs_of(flags, invocation.command));
  const bool json = flags.trial.format == "json";
  run::RunOptions options{.results = results_dir(flags.trial.results),
                            .argv = invocation.argv,
                            .offline = flags.trial.offline,
                            .cache = {},
                            .git = KTRIAL_TRY(git_options(flags.build)),
                            .boots = flags.boots,
                            .on_trial = {}};
  // A packed command is a filter like any other: its output is the output.
  Progress progress({.pass_output = !invocation.command.empty(), .output_to_stderr = json});
  options.on_trial = [&](const results::TrialRecord& record) { progress.trial_ended(record); };

  std::optional<results::RunRecord> all;
  int expected = 0;
  for (const spec::TrialSpec& spec : specs) {
    auto record = KTRIAL_TRY(run::run_trials(spec, options, progress));
    expected += spec.until_fail && spec.repeat == 1 ? 0 : spec.repeat;
    if (!all) {
      all = std::move(record);
    } else {
      for (auto& trial : record.trials) all->trials.push_back(std::move(trial));
    }
  }
  if (specs.size() > 1) all->verdict = results::overall(all->trials, expected);
  progress.done();
  to_stdout("{}", json ? results::report_json(*all) : results::report_text(*all, text_options()));
  return exit_code(all->verdict.outcome);
}

}  // namespace

void add_run(CLI::App& app, Action& action, const Invocation& invocation) {
  auto* command = app.add_subcommand("run", "Boots a kernel, stresses it, judges it");
  auto flags = std::make_shared<RunFlags>();
  auto& f = *flags;
  command->add_option(
      "--kernel", f.kernel,
      "Image, build tree, git:REV (with --tree), deb:PACKAGE[=VERSION], deb:FILE, or host "
      "[deb:linux-image-cloud-amd64]");
  add_trial_options(*command, f.trial);
  add_build_options(*command, f.build);
  command->add_option("--repeat", f.repeat, "Trials [1]")->check(CLI::Range(1, spec::kMaxRepeat));
  command->add_flag("--until-fail", f.until_fail,
                    "Go on until a trial fails (at most --repeat trials, if given)");
  command
      ->add_option("--boots", f.boots,
                   "Under TCG: boots of a trial, if the first one is lost before it begins [2]")
      ->check(CLI::Range(1, 2));
  command->add_flag("--core", f.core,
                    "Keep a core file (vmcore) of a stalled guest, for crash, drgn, makedumpfile");
  command->footer(R"(Examples:
  ktrial run --kernel deb:linux-image-cloud-amd64 --workload mmcid-vfork --repeat 10
  ktrial run --kernel ~/linux --workload vfork-storm --set processes=8 --duration 1m
  ktrial run --kernel git:v6.18 --tree ~/linux --config kasan
  ktrial run --kernel bzImage -- ./my-reproducer --fast     packs the program and its libraries
  ktrial run --kernel bzImage --until-fail --format json nightly.toml

A command after -- gets the guest to itself; its non-zero exit is a fail. The run's folder, with
console log, events and a qemu.sh to boot the same machine by hand, is named at the end.)");
  command->callback([&action, flags, &invocation] {
    action = [flags, &invocation] { return run(*flags, invocation); };
  });
}

}  // namespace ktrial::cli
