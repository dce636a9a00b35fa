// `ktrial selftest`: plants every fault, prints what was detected.

#include <algorithm>
#include <memory>

#include "harness/cli/commands.h"
#include "harness/cli/display.h"
#include "harness/cli/engine_choice.h"
#include "harness/cli/exit_codes.h"
#include "harness/cli/output.h"
#include "harness/cli/trial_flags.h"
#include "harness/selftest/trial_runner.h"
#include "harness/spec/parse.h"
#include "results/report/report.h"
#include "results/store/store.h"

namespace ktrial::cli {
namespace {

struct SelftestFlags {
  std::string kernel, memory = "512M", accel, vmm, connect, channel, append, start, results,
                      format = "text";
  std::vector<std::string> only;
  EngineFlags engine;
  int cpus = 2, repeat = 1;
  bool list = false, offline = false, verbose = false;
};

Result<spec::TrialSpec> base_of(const SelftestFlags& flags) {
  spec::TrialSpec spec;
  if (!flags.kernel.empty()) spec.kernel = flags.kernel;
  spec.cpus = flags.cpus;
  KTRIAL_TRY(read_flag("--memory", flags.memory, spec.memory_mib, spec::parse_size));
  KTRIAL_TRY(read_flag("--accel", flags.accel, spec.accel, spec::parse_accel));
  KTRIAL_TRY(read_flag("--vmm", flags.vmm, spec.vmm, spec::parse_vmm));
  spec.connect = flags.connect;
  KTRIAL_TRY(read_flag("--channel", flags.channel, spec.channel, spec::parse_channel));
  spec.append = flags.append;
  KTRIAL_TRY(read_flag("--start", flags.start, spec.start, spec::parse_start));
  return spec;
}

// Trials of this selftest on the same machine as the fault's.
int machines_like(const selftest::Fault& fault, const std::vector<selftest::Fault>& faults,
                  int rounds) {
  return rounds * static_cast<int>(std::ranges::count_if(faults, [&](const auto& other) {
           return other.append == fault.append && other.way != selftest::Way::init;
         }));
}

int list_faults() {
  for (const selftest::Fault& fault : selftest::all_faults())
    to_stdout("{:<20} {}\n{:<20} expects {}\n", fault.name, fault.summary, "",
              selftest::describe(fault.expected));
  return 0;
}

void print_row(const selftest::Row& row) {
  to_stderr("ktrial:   {} {}{}{}\n", row.fault.name, name(row.status), row.note.empty() ? "" : ": ",
            results::printable(row.note));
}

Result<int> run(const SelftestFlags& flags, const Invocation& invocation) {
  if (flags.list) return list_faults();
  selftest::Options options{.base = KTRIAL_TRY(base_of(flags)),
                            .only = flags.only,
                            .repeat = flags.repeat,
                            .on_begin = {},
                            .on_row = print_row};
  options.on_begin = [](const selftest::Fault& fault, int number, int of) {
    to_stderr("ktrial: [{}/{}] {}: {}\n", number, of, fault.name, fault.summary);
  };
  // Apart from real runs: `ktrial report last` is not to show a planted fault.
  std::error_code error;
  const run::Job job{.results = std::filesystem::absolute(
                         flags.results.empty() ? results::Store::default_dir() / "selftest"
                                               : std::filesystem::path(flags.results),
                         error),
                     .offline = flags.offline,
                     .argv = invocation.argv,
                     .working_dir = std::filesystem::current_path(error)};
  Display display({.output_to_stderr = true});
  selftest::Dating dating;
  const auto chosen =
      KTRIAL_TRY(choose_engine(flags.engine, {.results = job.results, .at_a_time = 1},
                               [&](engine::JobId, const run::Event& event) {
                                 dating.hear(event);
                                 if (flags.verbose) display.hear(0, event);
                               }));
  const auto faults = KTRIAL_TRY(selftest::choose_faults(flags.only));
  const auto report = selftest::run_selftest(
      options, [&](const selftest::Fault& fault, const spec::TrialSpec& spec) {
        run::Job one = job;
        one.of_many = std::max(1, machines_like(fault, faults, flags.repeat));
        return selftest::trial_runner(one, *chosen.engine, dating)(fault, spec);
      });
  display.done();
  if (!report) return std::unexpected(report.error());
  to_stdout("{}", flags.format == "json" ? selftest::report_json(*report)
                                         : selftest::report_text(*report));
  return exit_code(report->outcome());
}

}  // namespace

void add_selftest(CLI::App& app, Action& action, const Invocation& invocation) {
  auto* command = app.add_subcommand("selftest", "Plants faults in a kernel, shows which are seen");
  auto flags = std::make_shared<SelftestFlags>();
  auto& f = *flags;
  command->add_option("--kernel", f.kernel, "As for `ktrial run` [deb:linux-image-cloud-amd64]");
  command->add_option("--only", f.only, "A fault of --list; repeatable")->allow_extra_args(false);
  command->add_flag("--list", f.list, "Names the faults and what is expected of each");
  command->add_option("--repeat", f.repeat, "Rounds [1]")->check(CLI::Range(1, 1000));
  command->add_option("--cpus", f.cpus, "vCPUs [2]")->check(CLI::Range(2, spec::kMaxCpus));
  command->add_option("--memory", f.memory, "Guest RAM [512M]");
  command->add_option("--accel", f.accel, "auto, kvm or tcg [auto]");
  command->add_option("--vmm", f.vmm, "qemu or libvirt [qemu]");
  command->add_option("--connect", f.connect, "libvirt URI, as for `ktrial run`");
  command->add_option("--channel", f.channel, "As for `ktrial run` [auto]");
  command->add_option("--append", f.append, "More kernel command line");
  command->add_option("--start", f.start, "auto, cold or warm, as for `ktrial run` [auto]");
  command->add_option("--results", f.results,
                      "Where runs are kept [$XDG_STATE_HOME/ktrial/selftest]");
  add_engine_options(*command, f.engine);
  command->add_option("--format", f.format, "text or json [text]")
      ->check(CLI::IsMember({"text", "json"}));
  command->add_flag("--offline", f.offline, "Download nothing");
  command->add_flag("--verbose", f.verbose, "The progress of each trial, too");
  command->footer(R"(Examples:
  ktrial selftest                                   all faults on the distribution's cloud kernel
  ktrial selftest --kernel ~/linux                  on a build tree of yours
  ktrial selftest --only soft_lockup --only oops --verbose
  ktrial selftest --only none --repeat 20           are there false alarms?

Most faults need a module that is built for the kernel: it takes gcc, make and the kernel's build
tree or headers (those of Debian's kernels are fetched). Without, they are skipped.

Exit status: 0 all as expected, 1 a fault was missed or misnamed, or there was a false alarm,
125 some faults were skipped and none was missed, 128 and above as always.)");
  command->callback([&action, flags, &invocation] {
    action = [flags, &invocation] { return run(*flags, invocation); };
  });
}

}  // namespace ktrial::cli
