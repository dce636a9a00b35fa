// `ktrial gdb` and `ktrial drgn`: debuggers on a guest that failed, or that just booted.
#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <memory>

#include "harness/cli/commands.h"
#include "harness/cli/kept_trial.h"
#include "harness/cli/output.h"
#include "harness/cli/trial_flags.h"
#include "harness/interactive/drgn.h"
#include "harness/interactive/gdb.h"
#include "harness/kernel/kernel.h"
#include "harness/spec/validate.h"
#include "harness/trial/kept_evidence.h"
#include "results/store/store.h"

namespace ktrial::cli {
namespace {
namespace fs = std::filesystem;

void say(std::string_view line) { to_stderr("ktrial: {}\n", line); }

struct GdbFlags {
  TrialFlags trial;
  std::string run, kernel;
  std::vector<std::string> commands;
  int index = -1;
  bool batch = false;
};

// By the trial's autopsy: one look at what stands still tells nothing of who moved before.
std::optional<unsigned> vcpu_to_blame(const results::TrialRecord& trial,
                                      const results::SpecSummary& spec) {
  const auto kept = trial::read_evidence(trial.artifacts, trial, spec);
  if (!kept || !kept->evidence.autopsy.culprit) return std::nullopt;
  const autopsy::Culprit& culprit = *kept->evidence.autopsy.culprit;
  say(fmt::format("vCPU {} is to blame, in {}; gdb calls it thread {}", culprit.cpu,
                  culprit.function, culprit.cpu + 1));
  return culprit.cpu;
}

Result<int> gdb(const GdbFlags& flags, const Invocation& invocation) {
  interactive::GdbOptions options{
      .cache = KTRIAL_TRY(kernel::default_cache_dir()), .arguments = {}, .say = say};
  if (flags.batch) options.arguments.push_back("-batch");
  for (const std::string& command : flags.commands)
    options.arguments.insert(options.arguments.end(), {"-ex", command});
  // At its end a batch's gdb detaches without a word, and that lets the guest run.
  const auto leaves = [](const std::string& command) {
    return command == "detach" || command == "disconnect" || command == "kill";
  };
  if (flags.batch && (flags.commands.empty() || !leaves(flags.commands.back())))
    options.arguments.insert(options.arguments.end(), {"-ex", "disconnect"});
  boost::asio::io_context io;
  if (flags.kernel.empty()) {
    if (!invocation.command.empty())
      return usage_error("gdb: a command after -- is for a guest that boots: add --kernel");
    const auto store = KTRIAL_TRY(results::Store::open(results_dir(flags.trial.results)));
    const auto run = KTRIAL_TRY(store.load(flags.run.empty() ? "last" : flags.run));
    const auto trial = KTRIAL_TRY(kept_trial(run, flags.index));
    return interactive::gdb_kept(io, trial.artifacts, vcpu_to_blame(trial, run.spec), options);
  }
  TrialFlags trial = flags.trial;
  trial.spec_file = flags.run;
  auto specs = KTRIAL_TRY(specs_of(trial, invocation.command));
  if (specs.size() != 1) return usage_error("gdb: needs one machine, not a matrix");
  specs.front().kernel = flags.kernel;
  KTRIAL_TRY(spec::validate(specs.front()));
  return interactive::gdb_booted(io, specs.front(), options);
}

struct DrgnFlags {
  std::string run = "last", results, code, script;
  int index = -1;
};

Result<int> drgn(const DrgnFlags& flags) {
  const auto store = KTRIAL_TRY(results::Store::open(results_dir(flags.results)));
  const auto run = KTRIAL_TRY(store.load(flags.run));
  const auto cache = KTRIAL_TRY(kernel::default_cache_dir());
  boost::asio::io_context io;
  return interactive::run_drgn(
      io, KTRIAL_TRY(kept_trial(run, flags.index, true)).artifacts,
      {.symbols = cache / "symbols", .code = flags.code, .script = flags.script, .say = say});
}

}  // namespace

void add_gdb(CLI::App& app, Action& action, const Invocation& invocation) {
  auto* command = app.add_subcommand("gdb", "gdb on a guest that failed, or that just booted");
  auto flags = std::make_shared<GdbFlags>();
  GdbFlags& f = *flags;
  command->add_option("RUN", f.run, "Id, folder, or last [last]; with --kernel a spec file");
  command->add_option("--trial", f.index, "Its number [the first that kept its machine]");
  command->add_option("--kernel", f.kernel,
                      "Boots this one instead, and stops it at its beginning");
  command->add_option("--ex", f.commands, "A command for gdb; repeatable")->allow_extra_args(false);
  command->add_flag("--batch", f.batch, "Leave gdb after these");
  add_trial_options(*command, f.trial);
  command->remove_option(command->get_option("SPEC"));  // RUN stands there
  command->footer(R"(Examples:
  ktrial run --kernel bzImage --workload mmcid-vfork --keep-machine
  ktrial gdb                                    the machine of the last run, as it stood when it failed
  ktrial gdb last --batch --ex bt --ex 'info threads'
  ktrial gdb --kernel bzImage --workload mmcid-vfork     boots, stops; `continue` starts the workload
  ktrial gdb --kernel bzImage -- ./reproducer

No vmlinux is needed: names and call frames come out of the guest's memory (no types, no lines). A vCPU is a
thread; that which is to blame is chosen. Whatever gdb does is done to a copy: what was kept stays as it is, and
leaving gdb lets no guest run.)");
  command->callback([&action, flags, &invocation] {
    action = [flags, &invocation] { return gdb(*flags, invocation); };
  });
}

void add_drgn(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand("drgn", "drgn on the memory of a failed trial");
  auto flags = std::make_shared<DrgnFlags>();
  DrgnFlags& f = *flags;
  command->add_option("RUN", f.run, "Id, folder, or last [last]");
  command->add_option("SCRIPT", f.script, "A file of Python to run [a prompt]");
  command->add_option("--trial", f.index, "Its number [the first with a machine or a core file]");
  command->add_option("--code", f.code, "Python to run instead of a prompt");
  command->add_option("--results", f.results, "Where runs are kept [$XDG_STATE_HOME/ktrial]");
  command->footer(R"(Examples:
  ktrial run --kernel bzImage --workload mmcid-vfork --keep-machine
  ktrial drgn                                   a prompt; prog is the guest's memory
  ktrial drgn last look.py
  ktrial drgn --code 'print(prog.symbol("linux_banner"))'

drgn 0.3 or newer has the kernel's symbols, from kallsyms; an older one its memory alone. Types and stacks need
debug information, which distributions' kernels come without.)");
  command->callback([&action, flags] { action = [flags] { return drgn(*flags); }; });
}

}  // namespace ktrial::cli
