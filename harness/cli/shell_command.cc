// `ktrial shell`: a terminal in a guest.
#include <filesystem>
#include <memory>

#include "harness/cli/build_flags.h"
#include "harness/cli/commands.h"
#include "harness/cli/display.h"
#include "harness/cli/exit_codes.h"
#include "harness/cli/output.h"
#include "harness/cli/trial_flags.h"
#include "harness/interactive/shell.h"
#include "harness/spec/validate.h"
#include "results/store/store.h"

namespace ktrial::cli {
namespace {

struct ShellFlags {
  TrialFlags trial;
  BuildFlags build;
  std::string kernel, run;
};

Result<int> join(const ShellFlags& flags) {
  const auto store = KTRIAL_TRY(results::Store::open(results_dir(flags.trial.results)));
  const auto folder = KTRIAL_TRY(store.find(flags.run));
  const auto visit = KTRIAL_TRY(interactive::join_shell(
      folder, [](const std::string& line) { to_stderr("ktrial: {}\n", line); }));
  if (visit.left) to_stderr("\nktrial: left the session; it goes on\n");
  return visit.exit_status;
}

Result<int> shell(const ShellFlags& flags, const Invocation& invocation) {
  if (!flags.run.empty()) {
    if (!flags.kernel.empty() || !invocation.command.empty())
      return usage_error("shell: --run is for a guest that runs already: no --kernel, no command");
    return join(flags);
  }
  auto specs = KTRIAL_TRY(specs_of(flags.trial, invocation.command));
  if (specs.size() != 1) return usage_error("shell: needs one machine, not a matrix");
  if (!flags.kernel.empty()) specs.front().kernel = flags.kernel;
  std::error_code error;
  const run::Job job{.spec = specs.front(),
                     .build = run::to_values(KTRIAL_TRY(git_options(flags.build))),
                     .results = std::filesystem::absolute(results_dir(flags.trial.results), error),
                     .offline = flags.trial.offline,
                     .argv = invocation.argv,
                     .working_dir = std::filesystem::current_path(error)};
  Display display({.pass_output = false, .output_to_stderr = true});
  const auto end =
      interactive::run_shell(job, [&](const run::Event& event) { display.hear(0, event); });
  display.done();
  if (!end) return std::unexpected(end.error());
  if (end->left) {
    to_stderr("\nktrial: left the shell; its machine was ended\n");
    return 0;
  }
  const results::Verdict& verdict = end->record.verdict;
  if (verdict.outcome == results::Outcome::pass) return end->exit_status;
  to_stderr("ktrial: {}; see `ktrial report {}`\n",
            verdict.title.empty() ? verdict.reason : verdict.title, end->record.id);
  return exit_code(verdict.outcome);
}

}  // namespace

void add_shell(CLI::App& app, Action& action, const Invocation& invocation) {
  auto* command = app.add_subcommand("shell", "A terminal in a guest");
  auto flags = std::make_shared<ShellFlags>();
  command->add_option("--kernel", flags->kernel, "As of `ktrial run`");
  command->add_option(
      "--run", flags->run,
      "Another terminal into the guest of a shell that runs: its run's id, or last");
  add_trial_options(*command, flags->trial);
  add_build_options(*command, flags->build);
  command->footer(R"(Examples:
  ktrial shell                                       the host's files, copy on write, under the default kernel
  ktrial shell --kernel ~/linux --root minimal
  ktrial shell --kernel deb:linux-image-cloud-amd64 --root debian:bookworm
  ktrial shell -- python3                            another program than a shell
  ktrial shell --run last                            one more terminal into the same guest

The terminal is the guest's own: job control, its size follows the window. Ctrl-] leaves and ends the machine;
of a session by --run it leaves the shell as it is, and the next --run is back in it. Sessions end with the first shell.
Exit status: the shell's, if the kernel lived well; 1 if it failed meanwhile (`ktrial report last` shows how),
125 if that is not known, 128 and 129 as of `run`.)");
  command->callback([&action, flags, &invocation] {
    action = [flags, &invocation] { return shell(*flags, invocation); };
  });
}

}  // namespace ktrial::cli
