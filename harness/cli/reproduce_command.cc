// `ktrial reproduce`: a report → an experiment → "reproduced" or not, with numbers.
#include <algorithm>
#include <filesystem>
#include <memory>

#include "harness/arch/arch.h"
#include "harness/base/file.h"
#include "harness/base/host_cpus.h"
#include "harness/base/stop_on_signal.h"
#include "harness/cli/build_flags.h"
#include "harness/cli/commands.h"
#include "harness/cli/display.h"
#include "harness/cli/engine_choice.h"
#include "harness/cli/fix_flag.h"
#include "harness/cli/log_reader.h"
#include "harness/cli/output.h"
#include "harness/cli/trial_flags.h"
#include "harness/kernel/cache.h"
#include "harness/kernel/kernel.h"
#include "harness/mail/understand.h"
#include "harness/reproduce/compile.h"
#include "harness/reproduce/document.h"
#include "harness/spec/parse.h"
#include "harness/spec/timeouts.h"
#include "harness/spec/validate.h"
#include "harness/trial/plan.h"

namespace ktrial::cli {
namespace {
namespace fs = std::filesystem;

struct Flags {
  std::vector<std::string> reports;
  TrialFlags trial;
  BuildFlags build;
  EngineFlags engine;
  std::string kernel, budget, fix, mail;
  int trials = 0, measure = 5;
  bool plan = false, verbose = false;
};

Result<mail::Understanding> understand(const std::vector<std::string>& files) {
  mail::Reader reader;
  for (const std::string& file : files) {
    LogReader log = KTRIAL_TRY(LogReader::open(file));
    reader.begin(file);
    for (bool any = false;; any = true) {
      const auto bytes = log.read();
      if (!bytes && !any) return std::unexpected(bytes.error());
      // Of a file that is cut, the beginning is as good as a whole one.
      if (!bytes) to_stderr("ktrial: {}\n", bytes.error().message);
      if (!bytes || bytes->empty()) break;
      reader.feed(*bytes);
    }
  }
  return reader.finish();
}

// What the report's kernel is looked for among: what is here, if that is it; else Debian's archive.
std::vector<kernel::PackagedKernel> packages_for(const mail::Understanding& report,
                                                 const Flags& flags, std::stop_token stop) {
  const auto cache = kernel::default_cache_dir();
  if (!cache) return {};
  const auto list = [&](bool offline) {
    return kernel::known_packages(arch::native().kernel_packages,
                                  {.cache_dir = *cache, .offline = offline, .stop = stop});
  };
  auto here = list(true).value_or(std::vector<kernel::PackagedKernel>());
  const auto choice = reproduce::choose_kernel(report, here);
  const bool is_here = !choice.reference.empty() && choice.differs.empty();
  if (is_here || flags.trial.offline || !flags.kernel.empty()) return here;
  auto all = list(false);
  if (all) return *std::move(all);
  to_stderr("ktrial: {}; only kernels of the cache are looked at\n", all.error().message);
  return here;
}

// Of kconfigs/optional: "65-kasan.config" is "kasan".
std::vector<std::string> fragments_in(const fs::path& folder) {
  std::vector<std::string> out;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string stem = entry.path().stem().string();
    if (const auto dash = stem.find('-'); dash != stem.npos) out.push_back(stem.substr(dash + 1));
  }
  std::ranges::sort(out);
  return out;
}

Result<reproduce::Overrides> overrides_of(const Flags& flags, const Invocation& invocation) {
  const auto specs = KTRIAL_TRY(specs_of(flags.trial, invocation.command));
  reproduce::Overrides out{.kernel = flags.kernel,
                           .spec = specs.front(),
                           .workload = !flags.trial.workload.empty(),
                           .cpus = flags.trial.cpus != 0,
                           .memory = !flags.trial.memory.empty()};
  if (!flags.trial.settings.empty() && !out.workload)
    return usage_error("--set is for a workload, and none is named", "add --workload W");
  KTRIAL_TRY(spec::validate(out.spec));
  return out;
}

// Of a kernel that is here; nothing is fetched or built for it.
std::optional<std::string> config_of(const std::string& reference) {
  const auto parsed = kernel::parse_reference(reference);
  const auto cache = kernel::default_cache_dir();
  if (!parsed || !cache || reference.starts_with("git:")) return std::nullopt;
  const auto kernel = kernel::resolve(*parsed, {.cache_dir = *cache, .offline = true});
  if (!kernel || !kernel->config) return std::nullopt;
  constexpr std::size_t kMost = 4u << 20;  // bytes
  const auto text = read_file(*kernel->config, kMost);
  return text ? std::optional(*text) : std::nullopt;
}

class Command {
 public:
  Command(const Flags& flags, const Invocation& invocation)
      : flags_(flags), invocation_(invocation) {}

  Result<int> run() {
    spec::Milliseconds budget = std::chrono::minutes(10);
    KTRIAL_TRY(read_flag("--budget", flags_.budget, budget, spec::parse_duration));
    budget_s_ = static_cast<double>(budget.count()) / 1000;
    report_ = KTRIAL_TRY(understand(flags_.reports));
    overrides_ = KTRIAL_TRY(overrides_of(flags_, invocation_));
    const auto payload = KTRIAL_TRY(trial::find_payload());
    workloads_ = KTRIAL_TRY(spec::list_hinted_workloads(payload / "workloads"));
    if (overrides_.workload)
      KTRIAL_TRY(spec::find_workload(payload / "workloads", flags_.trial.workload));
    std::vector<kernel::PackagedKernel> packages;
    {
      const StopOnSignal stop;
      packages = packages_for(report_, flags_, stop.token());
    }
    const reproduce::Lab lab{.workloads = workloads_,
                             .packages = packages,
                             .fragments = fragments_in(payload / "kconfigs/optional"),
                             .cores = host_cpus(),
                             .config_of = config_of};
    reproduce::Experiment experiment = reproduce::design(report_, overrides_, lab);
    if (flags_.plan) return print_plan(experiment);
    const bool own_choice = overrides_.workload || !invocation_.command.empty();
    if (experiment.program && !experiment.program->text.empty() && !own_choice) {
      const StopOnSignal stop;
      const auto program = KTRIAL_TRY(
          reproduce::compile(*experiment.program, results() / "reproducer", stop.token()));
      experiment = reproduce::design(report_, overrides_, lab, program.string());
    }
    return try_it(experiment, packages);
  }

 private:
  bool json() const { return flags_.trial.format == "json"; }
  fs::path results() const {
    std::error_code error;
    return fs::absolute(results_dir(flags_.trial.results), error);
  }
  reproduce::Story story_of(const reproduce::Experiment& experiment) const {
    return {.report = report_, .experiment = experiment, .budget_s = budget_s_};
  }

  int print_plan(const reproduce::Experiment& experiment) const {
    const auto story = story_of(experiment);
    write_stdout(json() ? reproduce::story_json(story) : reproduce::plan_text(story));
    return 0;
  }

  Result<int> try_it(reproduce::Experiment& experiment,
                     const std::vector<kernel::PackagedKernel>& packages) {
    if (experiment.settings.empty())
      return usage_error("the report names nothing that could be run",
                         "name a workload with --workload, or a command after --");
    std::error_code error;
    run::Job job{.build = run::to_values(KTRIAL_TRY(git_options(flags_.build))),
                 .results = results(),
                 .offline = flags_.trial.offline,
                 .argv = invocation_.argv,
                 .working_dir = fs::current_path(error)};
    std::optional<FixKernels> fix;
    if (!flags_.fix.empty()) {
      fix = KTRIAL_TRY(fix_kernels(flags_.fix, flags_.kernel,
                                   experiment.settings.front().spec.kernel, packages, job));
      for (reproduce::Setting& setting : experiment.settings) setting.spec.kernel = fix->without;
      experiment.kernel.reference = fix->without;
      if (!fix->note.empty()) experiment.notes.push_back(fix->note);
    }
    auto story = story_of(experiment);
    story.fix_name = flags_.fix;
    if (!json()) write_stdout(reproduce::plan_text(story) + "\n");
    (void)finish_output();  // what is lost is said at the end
    Display display({.output_to_stderr = true});
    const auto chosen = KTRIAL_TRY(
        choose_engine(flags_.engine, {.results = results(), .at_a_time = 1},
                      [&](engine::JobId job_id, const run::Event& event) {
                        if (flags_.verbose || std::holds_alternative<run::Building>(event.what))
                          display.hear(job_id, event);
                      }));
    const auto& engine = chosen.engine;
    const reproduce::Tell tell = [](const std::string& text) { to_stderr("ktrial: {}\n", text); };
    const auto found = reproduce::search(experiment, job, *engine,
                                         {.budget_s = budget_s_,
                                          .most_trials = flags_.trials,
                                          // A fix is measured by its pairs.
                                          .measure = fix ? 0 : flags_.measure},
                                         tell);
    display.done();
    if (!found) return std::unexpected(found.error());
    story.search = &*found;
    if (!found->trials.empty()) story.accel = found->trials.front().record.accel;
    reproduce::FixTrial tried;
    if (fix && found->setting) {
      tried = KTRIAL_TRY(reproduce::try_fix(experiment.settings[*found->setting].spec, fix->without,
                                            fix->with, experiment.expected, job, *engine,
                                            {.budget_s = 3 * budget_s_}, tell));
      story.fix = &tried;
      story.without = fix->without_name;
      story.with = fix->with_name;
    }
    return tell_result(story);
  }

  Result<int> tell_result(reproduce::Story& story) const {
    if (!flags_.mail.empty()) {
      KTRIAL_TRY(write_file_atomically(flags_.mail, reproduce::mail_text(story)));
      story.mail_file = flags_.mail;
    }
    write_stdout(json() ? reproduce::story_json(story) : reproduce::result_text(story));
    return reproduce::exit_status(story);
  }

  const Flags& flags_;
  const Invocation& invocation_;
  double budget_s_ = 600;
  mail::Understanding report_;
  reproduce::Overrides overrides_;
  std::vector<spec::HintedWorkload> workloads_;
};

}  // namespace

void add_reproduce(CLI::App& app, Action& action, const Invocation& invocation) {
  auto* command = app.add_subcommand(
      "reproduce", "Makes an experiment of a report, and says whether the failure came");
  auto flags = std::make_shared<Flags>();
  auto& f = *flags;
  add_trial_options(*command, f.trial);
  command->remove_option(command->get_option("SPEC"));  // the report says what to run
  command
      ->add_option("REPORT", f.reports,
                   "Mail, mbox, archive page, issue text, console log, C program; several belong "
                   "together; - is standard input")
      ->required();
  command->add_flag("--plan", f.plan, "Say what was understood and what would be run; run nothing");
  command->add_option("--kernel", f.kernel,
                      "The kernel to try, as for `ktrial run` [the nearest to the reported one]");
  add_build_options(*command, f.build);
  command->add_option("--budget", f.budget, "Time of the trials, e.g. 30m [10m]");
  command->add_option("--trials", f.trials, "At most so many trials in all [as the budget allows]")
      ->check(CLI::Range(1, 1'000'000));
  command->add_option("--measure", f.measure, "Once it came: trials that say how often it does [5]")
      ->check(CLI::Range(0, 100'000));
  command->add_option(
      "--fix", f.fix,
      "PATCH file or COMMIT (with --tree), or a kernel that has it: is the failure gone with it?");
  add_engine_options(*command, f.engine);
  command->add_option("--mail", f.mail, "Write the answer to the report to this file, too");
  command->add_flag("--verbose", f.verbose, "The progress of each trial, too");
  command->footer(R"(Examples:
  ktrial reproduce --plan report.eml                 what it says, line by line, and what would be run
  ktrial reproduce thread.mbox --budget 30m
  ktrial reproduce report.eml console.log repro.c    what belongs together
  git bisect run ktrial reproduce report.eml --kernel .
  ktrial reproduce report.eml --fix deb:linux-binary-6.19.14+deb13-cloud-amd64
  ktrial reproduce report.eml --tree ~/linux --kernel git:v6.19 --fix fix.patch

"Reproduced" means the same failure: kind, function to blame, stack. Another one is told as another.

Exit status: 1 reproduced (with --fix: not fixed), 0 not (with --fix: fixed), 125 inconclusive,
128 and above as always.)");
  command->callback([&action, flags, &invocation] {
    action = [flags, &invocation] { return Command(*flags, invocation).run(); };
  });
}

}  // namespace ktrial::cli
