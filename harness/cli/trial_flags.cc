#include "harness/cli/trial_flags.h"

#include "harness/spec/load.h"
#include "harness/spec/parse.h"
#include "harness/spec/trace_request.h"
#include "results/store/store.h"

namespace ktrial::cli {
namespace {

Status apply_trace(const TrialFlags& flags, spec::TrialSpec& spec) {
  if (!flags.traces.empty()) spec.trace.clear();
  for (const std::string& trace : flags.traces)
    spec.trace += (spec.trace.empty() ? "" : ",") + trace;
  KTRIAL_TRY(read_flag("--trace-buffer", flags.trace_buffer, spec.trace_buffer_kib,
                       spec::parse_trace_buffer));
  if (!flags.trace_clock.empty()) spec.trace_clock = flags.trace_clock;
  if (!flags.trace_stop.empty()) spec.trace_stop = flags.trace_stop;
  return {};
}

Status apply(const TrialFlags& flags, spec::TrialSpec& spec) {
  if (!flags.workload.empty()) spec.workload = flags.workload;
  KTRIAL_TRY(read_flag("--memory", flags.memory, spec.memory_mib, spec::parse_size));
  KTRIAL_TRY(read_flag("--duration", flags.duration, spec.duration, spec::parse_duration));
  KTRIAL_TRY(read_flag("--timeout", flags.timeout, spec.timeout, spec::parse_duration));
  KTRIAL_TRY(apply_trace(flags, spec));
  KTRIAL_TRY(read_flag("--accel", flags.accel, spec.accel, spec::parse_accel));
  KTRIAL_TRY(read_flag("--vmm", flags.vmm, spec.vmm, spec::parse_vmm));
  if (!flags.connect.empty()) spec.connect = flags.connect;
  KTRIAL_TRY(read_flag("--channel", flags.channel, spec.channel, spec::parse_channel));
  KTRIAL_TRY(read_flag("--machine", flags.machine, spec.machine, spec::parse_machine));
  if (!flags.append.empty()) spec.append += (spec.append.empty() ? "" : " ") + flags.append;
  KTRIAL_TRY(read_flag("--start", flags.start, spec.start, spec::parse_start));
  KTRIAL_TRY(read_flag("--guest-seed", flags.guest_seed, spec.guest_seed, spec::parse_guest_seed));
  for (const std::string& setting : flags.settings) {
    std::pair<std::string, std::string> one;
    KTRIAL_TRY(read_flag("--set", setting, one, spec::parse_setting));
    spec.set_parameter(one.first, one.second, "--set " + one.first);
  }
  if (!flags.fail_on.empty()) spec.fail_on = flags.fail_on;
  if (flags.cpus != 0) spec.cpus = flags.cpus;
  if (flags.one_thread) spec.one_thread = true;
  if (!flags.delays.empty()) spec.delay_at = flags.delays;
  if (!flags.perturb.empty()) spec.perturb = flags.perturb;
  if (!flags.root.empty()) spec.root = flags.root;
  if (!flags.cwd.empty()) spec.cwd = flags.cwd;
  if (!flags.env.empty()) spec.env = flags.env;
  if (!flags.shares.empty()) spec.shares = flags.shares;
  if (!flags.input.empty()) spec.input = flags.input;
  if (!flags.output.empty()) spec.output = flags.output;
  return {};
}

}  // namespace

std::filesystem::path results_dir(const std::string& flag) {
  return flag.empty() ? results::Store::default_dir() : std::filesystem::path(flag);
}

// "q35 or microvm [q35]"
static std::string machine_help() {
  std::string out;
  for (const std::string& name : arch::machine_names()) out += (out.empty() ? "" : " or ") + name;
  return out + " [" + arch::native().machine("")->name + "]";
}

void add_fail_on(CLI::App& command, std::vector<std::string>& into) {
  std::vector<std::string> notes(std::begin(spec::kNotes), std::end(spec::kNotes));
  command
      .add_option("--fail-on", into,
                  "A note of the kernel that is a failure all the same: " + spec::note_names() +
                      "; comma separated or repeated")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(CLI::IsMember(std::move(notes)));
}

static void add_perturb_options(CLI::App& command, TrialFlags& f) {
  command
      .add_option(
          "--delay-at", f.delays,
          "SYMBOL[+OFFSET][:US[:P]]: under TCG, P of the visits of this place in the kernel "
          "[0.01] take up to US microseconds longer [500]; repeatable. Proven on a made-up "
          "race only, not on a kernel's")
      ->allow_extra_args(false);
  command.add_option("--perturb", f.perturb,
                     "hold[:US[:GAP]]: hold one vCPU's thread after the other for up to US "
                     "microseconds [500], GAP apart [1000]. Unproven: no bug was seen to come more "
                     "often by it");
}

void add_trial_options(CLI::App& command, TrialFlags& f) {
  command.add_option("SPEC", f.spec_file, "Spec file (TOML); flags win over it");
  command.add_option("--workload", f.workload,
                     "What to run, see `ktrial workload list` [mmcid-vfork]");
  command.add_option("--set", f.settings, "KEY=VALUE: a parameter of the workload; repeatable")
      ->allow_extra_args(false);
  command.add_option("--cpus", f.cpus, "vCPUs [4]")->check(CLI::Range(1, spec::kMaxCpus));
  command.add_option("--memory", f.memory, "Guest RAM, e.g. 512M, 2G [1G]");
  command.add_option("--duration", f.duration, "How long the workload stresses, e.g. 30s");
  command.add_option("--timeout", f.timeout, "Hard limit of one whole trial, e.g. 5m");
  command
      .add_option(
          "--trace", f.traces,
          "SYSTEM:EVENT[:FILTER], sched, fork, rcu, ipi, irq, mmcid or function:GLOB, comma "
          "separated or repeated; off: not even the black box (see `ktrial trace`)")
      ->allow_extra_args(false);
  command.add_option("--trace-buffer", f.trace_buffer, "Of each CPU, e.g. 512K, 4M");
  command.add_option("--trace-clock", f.trace_clock,
                     "local, global, mono, boot, ... [the kernel's]");
  command.add_option("--trace-stop", f.trace_stop,
                     "A function at whose call tracing stops, or warning, or stall");
  add_fail_on(command, f.fail_on);
  command.add_option("--accel", f.accel, "auto, kvm or tcg [auto]");
  command.add_option("--vmm", f.vmm, "qemu or libvirt [qemu]");
  command.add_option("--connect", f.connect,
                     "libvirt URI [qemu:///system for root, else qemu:///session]");
  command.add_option("--channel", f.channel,
                     "auto, vhost-vsock, vhost-user-vsock or virtio-serial [auto]");
  command.add_option("--machine", f.machine, machine_help());
  command.add_option("--start", f.start,
                     "cold: each trial boots; warm: resumed from a template, made once; auto: warm "
                     "for more than a few trials of one machine [auto]");
  command.add_option("--guest-seed", f.guest_seed,
                     "Of a warm guest's random numbers: the fact guest.seed of a record");
  command.add_option("--append", f.append, "More kernel command line");
  command.add_flag("--one-thread", f.one_thread,
                   "TCG: all vCPUs in one thread of the host, in turns");
  add_perturb_options(command, f);
  command.add_option("--root", f.root,
                     "The command's root, copy on write: host, minimal (busybox), debian:SUITE, a "
                     "folder, tarball or image; none [none; host for what needs more]");
  command.add_option("--cwd", f.cwd, "Folder in the guest that the command starts in");
  command.add_option("--env", f.env, "NAME=VALUE for the command; repeatable")
      ->allow_extra_args(false);
  command.add_option("--share", f.shares, "A folder that --root host shows, too; repeatable")
      ->allow_extra_args(false);
  command.add_option("--input", f.input, "A file: the command's standard input");
  command.add_option("--output", f.output,
                     "A folder: what the command leaves in the guest's /run/output comes there");
  command.add_option("--results", f.results, "Where runs are kept [$XDG_STATE_HOME/ktrial]");
  command.add_option("--format", f.format, "text or json [text]")
      ->check(CLI::IsMember({"text", "json"}));
  command.add_flag("--offline", f.offline, "Download nothing");
}

void DeterministicFlags::apply(spec::TrialSpec& spec) const {
  if (on) spec.deterministic = true;
  if (seed != 0) spec.seed = seed;
  if (shift != 0) spec.shift = shift;
}

void add_deterministic_options(CLI::App& command, DeterministicFlags& flags,
                               const std::string& what) {
  command.add_flag("--deterministic", flags.on, what);
  command
      .add_option("--seed", flags.seed,
                  "Of the first deterministic trial; the next have the next [1]")
      ->check(CLI::Range(1, spec::kMaxSeed));
  command
      .add_option("--shift", flags.shift,
                  "An instruction of a deterministic guest takes 2^SHIFT ns of its time [4]")
      ->check(CLI::Range(1, spec::kMaxShift));
}

Result<std::vector<spec::TrialSpec>> specs_of(const TrialFlags& flags,
                                              const std::vector<std::string>& guest_command) {
  std::vector<spec::TrialSpec> specs(1);
  if (!flags.spec_file.empty()) specs = KTRIAL_TRY(spec::load(flags.spec_file));
  if (!guest_command.empty() && !flags.workload.empty())
    return usage_error("--workload and a command after -- exclude each other");
  for (spec::TrialSpec& spec : specs) {
    // What runs instead of the file's workload or command does not take its parameters over.
    if (!guest_command.empty()) spec.parameters.clear();
    if (!guest_command.empty() || !flags.workload.empty()) spec.command = guest_command;
    KTRIAL_TRY(apply(flags, spec));
  }
  return specs;
}

}  // namespace ktrial::cli
