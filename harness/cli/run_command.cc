// `ktrial run`: flags and spec file → one library call → text or JSON.
#include <fmt/core.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>

#include "harness/cli/commands.h"
#include "harness/cli/exit_codes.h"
#include "harness/cli/progress.h"
#include "harness/spec/load.h"
#include "harness/spec/parse.h"
#include "harness/trial/run.h"
#include "harness/cli/terminal.h"
#include "results/report/report.h"
#include "results/store/store.h"

namespace ktrial::cli {
namespace {

struct RunFlags {
  std::string spec_file, kernel, workload, memory, duration, timeout, trace, accel, vmm, connect,
      channel, machine, append, results, format = "text";
  std::vector<std::string> settings;
  int cpus = 0, repeat = 0;
  bool until_fail = false, core = false, offline = false;
};

// Flags win over the spec file.
Status apply(const RunFlags& flags, spec::TrialSpec& spec) {
  if (!flags.kernel.empty()) spec.kernel = flags.kernel;
  if (!flags.workload.empty()) spec.workload = flags.workload;
  if (!flags.memory.empty()) spec.memory_mib = KTRIAL_TRY(spec::parse_size(flags.memory));
  if (!flags.duration.empty()) spec.duration = KTRIAL_TRY(spec::parse_duration(flags.duration));
  if (!flags.timeout.empty()) spec.timeout = KTRIAL_TRY(spec::parse_duration(flags.timeout));
  if (!flags.trace.empty()) spec.trace = flags.trace;
  if (!flags.accel.empty()) spec.accel = KTRIAL_TRY(spec::parse_accel(flags.accel));
  if (!flags.vmm.empty()) spec.vmm = KTRIAL_TRY(spec::parse_vmm(flags.vmm));
  if (!flags.connect.empty()) spec.connect = flags.connect;
  if (!flags.channel.empty()) spec.channel = KTRIAL_TRY(spec::parse_channel(flags.channel));
  if (!flags.machine.empty()) spec.machine = KTRIAL_TRY(spec::parse_machine(flags.machine));
  if (!flags.append.empty()) spec.append += (spec.append.empty() ? "" : " ") + flags.append;
  for (const std::string& setting : flags.settings) {
    auto [key, value] = KTRIAL_TRY(spec::parse_setting(setting));
    spec.parameters[key] = value;
  }
  if (flags.cpus != 0) spec.cpus = flags.cpus;
  if (flags.repeat != 0) spec.repeat = flags.repeat;
  if (flags.until_fail) spec.until_fail = true;
  if (flags.core) spec.core = true;
  return {};
}

Result<std::vector<spec::TrialSpec>> specs_of(const RunFlags& flags,
                                              const std::vector<std::string>& command) {
  std::vector<spec::TrialSpec> specs(1);
  if (!flags.spec_file.empty()) specs = KTRIAL_TRY(spec::load(flags.spec_file));
  for (spec::TrialSpec& spec : specs) {
    KTRIAL_TRY(apply(flags, spec));
    if (!command.empty()) spec.command = command;
    if (!command.empty() && !flags.workload.empty())
      return usage_error("--workload and a command after -- exclude each other");
    if (!spec.trace.empty() && spec.trace != "off")
      return usage_error("--trace EVENTS is not there yet",
                         "--trace off leaves out the scheduler's events, which are recorded "
                         "always; --append trace_event=... adds others");
    KTRIAL_TRY(spec::validate(spec));
  }
  return specs;
}

Result<int> run(const RunFlags& flags, const Invocation& invocation) {
  const auto specs = KTRIAL_TRY(specs_of(flags, invocation.command));
  const bool json = flags.format == "json";
  trial::RunOptions options{.results = flags.results.empty() ? results::Store::default_dir()
                                                             : std::filesystem::path(flags.results),
                            .argv = invocation.argv,
                            .offline = flags.offline,
                            .cache = {},
                            .on_trial = {}};
  // A packed command is a filter like any other: its output is the output.
  Progress progress({.pass_output = !invocation.command.empty(), .output_to_stderr = json});
  options.on_trial = [&](const results::TrialRecord& record) { progress.trial_ended(record); };

  std::optional<results::RunRecord> all;
  int expected = 0;
  for (const spec::TrialSpec& spec : specs) {
    auto record = KTRIAL_TRY(trial::run_trials(spec, options, progress));
    expected += spec.until_fail && spec.repeat == 1 ? 0 : spec.repeat;
    if (!all) {
      all = std::move(record);
    } else {
      for (auto& trial : record.trials) all->trials.push_back(std::move(trial));
    }
  }
  if (specs.size() > 1) {
    const auto sum = results::overall(all->trials, expected);
    all->outcome = sum.outcome;
    all->title = sum.title;
    all->kind = sum.kind;
    all->culprit = sum.culprit;
    all->signature = sum.signature;
    all->reason = sum.reason;
  }
  progress.done();
  fmt::print("{}", json ? results::report_json(*all)
                        : results::report_text(*all, text_options()));
  return exit_code(all->outcome);
}

}  // namespace

void add_run(CLI::App& app, Action& action, const Invocation& invocation) {
  auto* command = app.add_subcommand("run", "Boots a kernel, stresses it, judges it");
  auto flags = std::make_shared<RunFlags>();
  auto& f = *flags;
  command->add_option("SPEC", f.spec_file, "Spec file (TOML); flags win over it");
  command->add_option("--kernel", f.kernel,
                      "Image, build tree, deb:PACKAGE[=VERSION], deb:FILE, or host "
                      "[deb:linux-image-cloud-amd64]");
  command->add_option("--workload", f.workload, "What to run, see `ktrial workload list` [mmcid-vfork]");
  command->add_option("--set", f.settings, "KEY=VALUE: a parameter of the workload; repeatable")
      ->allow_extra_args(false);
  command->add_option("--cpus", f.cpus, "vCPUs [4]")->check(CLI::Range(1, spec::kMaxCpus));
  command->add_option("--memory", f.memory, "Guest RAM, e.g. 512M, 2G [1G]");
  command->add_option("--repeat", f.repeat, "Trials [1]")->check(CLI::Range(1, spec::kMaxRepeat));
  command->add_flag("--until-fail", f.until_fail,
                    "Go on until a trial fails (at most --repeat trials, if given)");
  command->add_option("--duration", f.duration, "How long the workload stresses, e.g. 30s");
  command->add_option("--timeout", f.timeout, "Hard limit of one whole trial, e.g. 5m");
  command->add_option("--trace", f.trace, "off: not even the black box (see `ktrial trace`)");
  command->add_flag("--core", f.core,
                    "Keep a core file (vmcore) of a stalled guest, for crash, drgn, makedumpfile");
  command->add_option("--accel", f.accel, "auto, kvm or tcg [auto]");
  command->add_option("--vmm", f.vmm, "qemu or libvirt [qemu]");
  command->add_option("--connect", f.connect, "libvirt URI");
  command->add_option("--channel", f.channel,
                      "auto, vhost-vsock, vhost-user-vsock or virtio-serial [auto]");
  command->add_option("--machine", f.machine, "q35 or microvm [q35]");
  command->add_option("--append", f.append, "More kernel command line");
  command->add_option("--results", f.results, "Where runs are kept [$XDG_STATE_HOME/ktrial]");
  command->add_option("--format", f.format, "text or json [text]")
      ->check(CLI::IsMember({"text", "json"}));
  command->add_flag("--offline", f.offline, "Download nothing");
  command->footer(R"(Examples:
  ktrial run --kernel deb:linux-image-cloud-amd64 --workload mmcid-vfork --repeat 10
  ktrial run --kernel ~/linux --workload vfork-storm --set processes=8 --duration 1m
  ktrial run --kernel bzImage -- ./my-reproducer --fast     packs the program and its libraries
  ktrial run --kernel bzImage --until-fail --format json nightly.toml

A command after -- gets the guest to itself; its non-zero exit is a fail. The run's folder, with
console log, events and a qemu.sh to boot the same machine by hand, is named at the end.)");
  command->callback([&action, flags, &invocation] {
    action = [flags, &invocation] { return run(*flags, invocation); };
  });
}

}  // namespace ktrial::cli
