// `ktrial bisect`: which commit, or which package, brought a failure, or ended it.
#include <fmt/chrono.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <ctime>
#include <memory>
#include <nlohmann/json.hpp>

#include "harness/base/stop_on_signal.h"
#include "harness/bisect/git_history.h"
#include "harness/bisect/history.h"
#include "harness/bisect/picture.h"
#include "harness/bisect/session.h"
#include "harness/bisect/simulate.h"
#include "harness/bisect/trial_lab.h"
#include "harness/cli/build_flags.h"
#include "harness/cli/commands.h"
#include "harness/cli/display.h"
#include "harness/cli/engine_choice.h"
#include "harness/cli/output.h"
#include "harness/cli/trial_flags.h"
#include "harness/spec/parse.h"
#include "harness/spec/timeouts.h"
#include "harness/spec/validate.h"
#include "harness/stats/rate.h"
#include "results/report/report.h"

namespace ktrial::cli {
namespace fs = std::filesystem;
namespace {

struct BisectFlags {
  TrialFlags trial;
  DeterministicFlags deterministic;
  BuildFlags build;
  EngineFlags engine;
  std::string good, bad, packages, signature, max_time, folder, resume;
  std::vector<std::string> suspects;
  double confidence = 0.95;
  std::optional<double> rate, background;
  int at_once = 1;
  std::int64_t max_runs = 0;
  bool simulate = false, verbose = false, no_speculation = false;
  int simulated_trials = 200;
};

void add_options(CLI::App& command, BisectFlags& f) {
  command.add_option("--good", f.good, "Kernel without the failure: a revision, or a package");
  command.add_option("--bad", f.bad, "Kernel with the failure; older than --good: find the fix");
  add_build_options(command, f.build);
  command
      .add_option("--packages", f.packages,
                  "Debian's kernel packages of a pattern, see `ktrial kernel list`")
      ->excludes("--tree");
  command.add_option("--confidence", f.confidence, "Of the answer [0.95]")
      ->check(CLI::Range(0.5, 0.9999));
  command.add_option("--rate", f.rate, "How often a run at --bad fails, 0.05: if known [learned]")
      ->check(CLI::Range(0.0, 1.0));
  command
      .add_option("--background", f.background,
                  "How often it fails so without the change; 0: never [learned, which is dearer]")
      ->check(CLI::Range(0.0, 1.0));
  command.add_option("--signature", f.signature,
                     "Only failures of this signature count [that of the first one at --bad]");
  command
      .add_option("--suspect", f.suspects,
                  "PATH: commits that touch it are five times as likely; with --tree")
      ->allow_extra_args(false);
  command.add_option("--max-runs", f.max_runs, "Give up after so many trials")
      ->check(CLI::Range(1, 1'000'000));
  command.add_option("--max-time", f.max_time, "Give up when it cannot be done in this time, 8h");
  add_engine_options(command, f.engine);
  command.add_option("--parallel", f.at_once, "Trials of a kernel at a time [1]")
      ->check(CLI::Range(1, 256));
  command.add_flag("--no-speculation", f.no_speculation,
                   "With --tree: do not build what may be next while trials run");
  command.add_option("--state", f.folder, "Where the session is kept [below --results]");
  command.add_flag("--verbose", f.verbose, "The progress of each trial, too");
  add_trial_options(command, f.trial);
  add_deterministic_options(command, f.deterministic,
                            "Each trial is another seed: a kernel is judged by how many of its own "
                            "seeds fail, never by one (docs/replay.md)");
}

fs::path bisects(const BisectFlags& flags) { return results_dir(flags.trial.results) / "bisect"; }

// DIR itself, or the latest session.
Result<fs::path> find_session(const BisectFlags& flags) {
  if (flags.resume != "last") return fs::path(flags.resume);
  std::vector<fs::path> all;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(bisects(flags), error))
    all.push_back(entry.path());
  if (all.empty())
    return usage_error("no bisection below " + bisects(flags).string(), "name its folder");
  return std::ranges::max(all);
}

// The live picture: redrawn in place on a terminal, else a line an event.
class Screen {
 public:
  explicit Screen(bool live) : live_(live && ::isatty(STDERR_FILENO) != 0) {}

  void step(const std::string& text) {
    erase();
    to_stderr("ktrial: {}\n", text);
    to_stderr("{}", picture_);
    drawn_ = lines(picture_);
  }
  void state(const bisect::Engine& engine, const bisect::Step& next) {
    if (!live_) return to_stderr("ktrial: {}\n", bisect::status_line(engine));
    erase();
    winsize size{};
    ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size);
    picture_ = bisect::picture(engine, next, size.ws_col > 0 ? size.ws_col : 80);
    to_stderr("{}", picture_);
    drawn_ = lines(picture_);
  }

 private:
  static int lines(const std::string& text) {
    return static_cast<int>(std::ranges::count(text, '\n'));
  }
  void erase() {
    if (drawn_ > 0) to_stderr("\033[{}A\033[J", drawn_);
    drawn_ = 0;
  }
  bool live_;
  int drawn_ = 0;
  std::string picture_;
};

Result<bisect::Settings> settings_of(const BisectFlags& flags, const bisect::History& history) {
  bisect::Settings settings{.direction = history.direction,
                            .confidence = flags.confidence,
                            .rates = {flags.rate, flags.background},
                            .costs = history.costs,
                            .weights = history.weights};
  settings.failing_end_fails = flags.rate ? 1 : 3;  // so many tell how often it comes
  settings.clean_end_runs = 3;
  settings.costs.parallel = flags.at_once;
  if (flags.max_runs > 0) settings.max_runs = flags.max_runs;
  if (!flags.max_time.empty()) {
    spec::Milliseconds most{};
    KTRIAL_TRY(read_flag("--max-time", flags.max_time, most, spec::parse_duration));
    settings.max_seconds = static_cast<double>(most.count()) / 1000;
  }
  return settings;
}

Result<bisect::History> history_of(const BisectFlags& flags) {
  if (flags.good.empty() || flags.bad.empty())
    return usage_error("--good and --bad are needed",
                       "e.g. --good 6.18.15 --bad 6.19.6 --packages 'linux-image-6.1*'");
  const StopOnSignal stop;
  const bisect::HistoryRequest request{
      .good = flags.good,
      .bad = flags.bad,
      .suspects = flags.suspects,
      .offline = flags.trial.offline,
      .progress = [](std::string_view line) { to_stderr("ktrial: {}\n", line); },
      .stop = stop.token()};
  if (!flags.packages.empty()) return bisect::package_history(flags.packages, request);
  if (!flags.build.tree.empty())
    return bisect::git_history(KTRIAL_TRY(git_options(flags.build)), request);
  return usage_error("what is to be bisected? --tree DIR or --packages PATTERN is needed");
}

fs::path folder_of(const BisectFlags& flags) {
  if (!flags.folder.empty()) return flags.folder;
  return bisects(flags) / fmt::format("{:%Y%m%d-%H%M%S}", fmt::gmtime(std::time(nullptr)));
}

// Prints the report. A mail, if there is something to write of, is left in the session's folder.
Result<int> tell_answer(const bisect::Engine& engine, const bisect::Step& answer,
                        const bisect::Journal& journal, bisect::Story story, const fs::path& folder,
                        bool json) {
  story.links = {"session     " + folder.string()};
  if (const auto mail = bisect::mail_text(engine, answer, journal.wanted(), story); !mail.empty()) {
    KTRIAL_TRY(journal.write_file("mail.txt", mail));
    story.links.push_back("mail        " + (folder / "mail.txt").string());
  }
  to_stdout("{}", json ? bisect::report_json(engine, answer, journal.wanted(), story)
                       : bisect::report_text(engine, answer, journal.wanted(), story));
  return std::holds_alternative<bisect::Found>(answer) ? 0 : 125;
}

// A seed is run once a session, as one that is run again says nothing new.
void begin_seeds(spec::TrialSpec& spec, const bisect::Journal& journal) {
  spec.seed += static_cast<int>(std::ranges::count_if(journal.past(), [](const auto& event) {
    return std::holds_alternative<bisect::RunEvent>(event);
  }));
  std::string all;
  for (const double rate : {0.9, 0.5, 0.2, 0.1})
    all +=
        fmt::format("{} {} of {:g}", all.empty() ? "" : ",", stats::trials_for(rate, 0.95), rate);
  to_stderr(
      "ktrial: seeds from {} on, each once; that many passing ones say with 95 % that a kernel "
      "has not the rate:{}\n",
      spec.seed, all);
}

// A cluster's nodes need not see what is built here.
Result<bool> cluster_builds(const BisectFlags& flags) {
  if (flags.engine.engine != "slurm" || flags.build.tree.empty()) return false;
  if (KTRIAL_TRY(fleet_of(flags.engine)).slurm.courier.used())
    return usage_error(
        "--tree: a cluster whose fleet file has `fetch` and `send` brings no kernel back",
        "take a results folder that all nodes see, or --packages");
  return true;
}

Result<int> run_bisection(const BisectFlags& flags, const Invocation& invocation,
                          const std::optional<fs::path>& resumed) {
  auto specs = KTRIAL_TRY(specs_of(flags.trial, invocation.command));
  if (specs.size() != 1) return usage_error("a bisection needs one trial, not a matrix of them");
  flags.deterministic.apply(specs.front());
  KTRIAL_TRY(spec::validate(specs.front()));
  KTRIAL_TRY(bisect::check(bisect::Rates{flags.rate, flags.background}));
  const bool built_there = KTRIAL_TRY(cluster_builds(flags));
  const auto history = KTRIAL_TRY(history_of(flags));
  const auto settings = KTRIAL_TRY(settings_of(flags, history));
  auto engine = KTRIAL_TRY(bisect::Engine::create(history.graph, settings));
  const fs::path folder = resumed ? *resumed : folder_of(flags);
  auto journal =
      resumed ? KTRIAL_TRY(bisect::Journal::open(folder, engine))
              : KTRIAL_TRY(bisect::Journal::create(folder, invocation.argv, engine,
                                                   {.signature = flags.signature, .title = {}}));
  to_stderr("ktrial: {} kernels between {} and {}; the session is {}\n", history.graph.size(),
            flags.good, flags.bad, folder.string());

  Display display({.output_to_stderr = true, .several = flags.at_once > 1});
  const auto chosen =
      KTRIAL_TRY(choose_engine(flags.engine, {.results = folder, .at_a_time = flags.at_once},
                               [&](engine::JobId job, const run::Event& event) {
                                 if (!flags.verbose) return;
                                 display.hear(job, event);
                                 if (std::holds_alternative<run::Ended>(event.what))
                                   display.end(job, "");
                               }));
  if (specs.front().deterministic) begin_seeds(specs.front(), journal);
  std::error_code ignored;
  const run::Job job{.spec = specs.front(),
                     .build = run::to_values(KTRIAL_TRY(git_options(flags.build))),
                     .results = fs::absolute(folder, ignored),
                     .offline = flags.trial.offline,
                     .argv = invocation.argv,
                     .working_dir = fs::current_path(ignored)};
  Screen screen(!flags.verbose);
  const auto lab = bisect::trial_lab(job, *chosen.engine, built_there ? nullptr : history.maker);
  const auto answer = bisect::run_session(
      engine, *lab, journal,
      {.step = [&](const std::string& text) { screen.step(text); },
       .state = [&](const bisect::Engine& e, const bisect::Step& next) { screen.state(e, next); }},
      {.at_once = flags.at_once, .speculate = !flags.build.tree.empty() && !flags.no_speculation});
  display.done();
  if (!answer && answer.error().kind == ErrorKind::interrupted)
    return fail(ErrorKind::interrupted, "interrupted",
                "go on with: ktrial bisect --resume " + folder.string());
  if (!answer) return std::unexpected(answer.error());

  const spec::TrialSpec& spec = specs.front();
  return tell_answer(engine, *answer, journal,
                     {.kernel_kind = history.kind,
                      .workload = spec.command.empty() ? spec.workload : spec.command.front(),
                      .command = results::shell_quoted(invocation.argv),
                      .links = {}},
                     folder, flags.trial.format == "json");
}

// The command line of the session, parsed as if it were given again.
Result<int> resume(const BisectFlags& given) {
  const fs::path folder = KTRIAL_TRY(find_session(given));
  Invocation invocation{KTRIAL_TRY(bisect::Journal::command_line(folder)), {}};
  auto words = invocation.argv;
  if (const auto dashes = std::ranges::find(words, "--"); dashes != words.end()) {
    invocation.command.assign(dashes + 1, words.end());
    words.erase(dashes, words.end());
  }
  BisectFlags flags;
  CLI::App app;
  add_options(app, flags);
  words.erase(words.begin(), words.begin() + std::min<std::ptrdiff_t>(2, std::ssize(words)));
  std::ranges::reverse(words);  // as CLI11 takes them
  try {
    app.parse(words);
  } catch (const CLI::ParseError& error) {
    return usage_error(folder.string() + "/session.json: " + error.what());
  }
  return run_bisection(flags, invocation, folder);
}

Result<int> run(const BisectFlags& flags, const Invocation& invocation) {
  if (flags.simulate) {
    const bisect::SimulateOptions options{.trials = flags.simulated_trials};
    const auto document = flags.trial.format == "json" ? bisect::simulate_json(options)
                                                       : bisect::simulate_table(options);
    to_stdout("{}", KTRIAL_TRY(document));
    return 0;
  }
  return flags.resume.empty() ? run_bisection(flags, invocation, std::nullopt) : resume(flags);
}

}  // namespace

void add_bisect(CLI::App& app, Action& action, const Invocation& invocation) {
  auto* command =
      app.add_subcommand("bisect", "Finds the commit or package that brought, or ended, a failure");
  auto flags = std::make_shared<BisectFlags>();
  add_options(*command, *flags);
  command->add_option("--resume", flags->resume, "Go on with a session: its folder, or \"last\"");
  command
      ->add_flag("--simulate", flags->simulate,
                 "No kernels: how right and how dear this and other methods are")
      ->excludes("--good", "--bad", "--tree", "--packages", "--resume");
  command->add_option("--trials", flags->simulated_trials, "Of each cell of --simulate [200]")
      ->check(CLI::Range(1, 100000));
  command->footer(R"(Examples:
  ktrial bisect --packages 'linux-image-6.1*-cloud-amd64' --good 6.18.15 --bad 6.19.6
  ktrial bisect --packages 'linux-image-6.19*-cloud-amd64' --bad 6.19.6 --good 6.19.14   the fix
  ktrial bisect --tree ~/linux --good v6.18 --bad v6.19 --workload mmcid-vfork --max-time 8h
  ktrial bisect --packages 'linux-image-6.1*-cloud-amd64' --good 6.18.15 --bad 6.19.6 --deterministic
  ktrial bisect --resume last
  ktrial bisect --simulate

A failure that comes once in twenty runs is no obstacle: each run counts as evidence, a pass as
weak evidence, and the answer comes with its probability. Ctrl-C loses nothing.

Exit status: 0 found, 125 no answer (skipped commits, budget, ends that do not differ), 128 and
above as always.)");
  command->callback([&action, flags, &invocation] {
    action = [flags, &invocation] { return run(*flags, invocation); };
  });
}

}  // namespace ktrial::cli
