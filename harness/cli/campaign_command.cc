// `ktrial campaign`: nights of trials by a plan.
#include <memory>

#include "harness/base/file.h"
#include "harness/base/text.h"
#include "harness/campaign/session.h"
#include "harness/campaign/share.h"
#include "harness/campaign/simulate.h"
#include "harness/cli/build_flags.h"
#include "harness/cli/campaign_document.h"
#include "harness/cli/campaign_screen.h"
#include "harness/cli/commands.h"
#include "harness/cli/engine_choice.h"
#include "harness/cli/exit_codes.h"
#include "harness/cli/output.h"
#include "harness/cli/trial_flags.h"
#include "harness/kernel/build/git_tree.h"
#include "harness/spec/parse.h"
#include "harness/spec/timeouts.h"
#include "harness/spec/workload.h"
#include "harness/trial/plan.h"

namespace ktrial::cli {
namespace fs = std::filesystem;
namespace {

struct CampaignFlags {
  std::string plan, budget, results;
  EngineFlags engine;
  CampaignReport report;
  int jobs = 0, nights = 100;
  std::uint64_t seed = 1;
  bool offline = false;
};

fs::path results_of(const CampaignFlags& flags) {
  std::error_code error;
  return fs::absolute(results_dir(flags.results), error).lexically_normal();
}

// What git:REV names now, for the whole night.
Result<std::map<std::string, std::string>> pins_of(const spec::Plan& plan) {
  std::map<std::string, std::string> pins;
  for (const spec::PlanCell& cell : plan.cells) {
    const std::string& kernel = cell.spec.kernel;
    if (!kernel.starts_with("git:") || pins.contains(kernel)) continue;
    const auto tree = KTRIAL_TRY(kernel::GitTree::open(plan.build.tree));
    const std::string revision = kernel.substr(4);
    KTRIAL_TRY(tree.refuse_dirty(revision));
    pins[kernel] = "git:" + KTRIAL_TRY(tree.commit(revision));
  }
  return pins;
}

Result<std::vector<run::Job>> jobs_of(const CampaignFlags& flags, const spec::Plan& plan,
                                      const campaign::Story& story) {
  auto jobs =
      campaign::jobs_of(plan, story, {.results = results_of(flags), .offline = flags.offline});
  std::map<std::vector<std::string>, run::Build> builds;  // by their fragments
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    const auto& config = plan.cells[i].config;
    if (!builds.contains(config))
      builds[config] = run::to_values(KTRIAL_TRY(git_options({.tree = plan.build.tree,
                                                              .base_config = plan.build.base_config,
                                                              .compiler = plan.build.compiler,
                                                              .configs = config})));
    jobs[i].build = builds[config];
  }
  return jobs;
}

// 1: something failed that the plan does not know; 125: nothing was judged.
results::Outcome outcome_of(const results::CampaignRecord& record) {
  bool judged = false, failed = false;
  for (const results::CampaignCell& cell : record.cells) {
    judged |= cell.pass + cell.fail > 0;
    failed |= cell.fail > 0 && cell.standing != results::Standing::known;
  }
  if (failed) return results::Outcome::fail;
  return judged ? results::Outcome::pass : results::Outcome::inconclusive;
}

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// A workload may need more of its machine than the cell gives it.
Status fits(const run::Job& job) {
  if (!job.spec.command.empty()) return {};
  const auto payload = KTRIAL_TRY(trial::find_payload());
  const auto info = KTRIAL_TRY(spec::find_workload(payload / "workloads", job.spec.workload));
  return spec::check_requirements(info, job.spec);
}

// Who runs the jobs of a night, and what it hears of it.
EngineWish wish_of(const CampaignFlags& flags, campaign::Folder& folder, CampaignScreen& screen) {
  return {.results = results_of(flags),
          .id = folder.id(),
          .at_a_time = flags.jobs,
          .finish_first = true,
          .on_signal =
              [&screen, signals = 0]() mutable {
                screen.line(++signals == 1 ? "what runs is finished; once more ends it"
                                           : "what runs is ended");
              },
          .on_tick =
              [&folder, &screen, begun_s = seconds_now()] {
                screen.tick();
                // What a kill must not lose; that it cannot be written shows at the journal's
                // next line.
                (void)folder.tick(folder.story().used_s + seconds_now() - begun_s);
              },
          .tell = [&screen](const std::string& text) { screen.line(text); }};
}

// An interrupted night ends well, but for what it is told to go on with.
Status end_of(const campaign::Folder& folder, const std::optional<Error>& error) {
  if (!error) return {};
  Error told = *error;
  told.hint +=
      (told.hint.empty() ? "" : "\n  ") + ("go on with: ktrial campaign resume " + folder.id());
  if (told.kind != ErrorKind::interrupted) return std::unexpected(std::move(told));
  to_stderr("ktrial: {}\n  {}\n", told.message, told.hint);
  return {};
}

Result<int> go_on(const CampaignFlags& flags, campaign::Folder folder) {
  const campaign::Story& story = folder.story();
  spec::Plan plan = KTRIAL_TRY(campaign::load_plan_of(folder.directory(), story));
  if (!flags.budget.empty())
    KTRIAL_TRY(read_flag("--budget", flags.budget, plan.budget, spec::parse_duration));
  auto store = KTRIAL_TRY(results::Store::open(results_of(flags)));
  std::error_code error;
  fs::current_path(story.working_dir, error);  // where the plan's paths start
  if (error) return fail_errno("enter " + story.working_dir.string(), error.value());
  const auto jobs = KTRIAL_TRY(jobs_of(flags, plan, story));

  // Who has a host to itself, or with others; on a cluster that is the scheduler's to see to.
  const bool here = flags.engine.engine == "local";
  std::optional<campaign::HostShare> share;
  if (here) share.emplace(KTRIAL_TRY(campaign::HostShare::join()));
  CampaignScreen screen;
  const auto chosen = KTRIAL_TRY(
      choose_engine(flags.engine, wish_of(flags, folder, screen),
                    [&](engine::JobId job, const run::Event& event) { screen.hear(job, event); }));
  screen.set_cores(chosen.room.vcpus);
  screen.line(fmt::format("campaign {}: {} cells{}", folder.id(), plan.cells.size(),
                          plan.budget ? ", " + spec::format_duration(*plan.budget) : ""));
  const auto outcome = KTRIAL_TRY(campaign::run_session(
      *chosen.engine, folder, store, plan, jobs,
      {.room = chosen.room,
       .at_a_time = flags.jobs,
       .ahead = chosen.ahead,
       .budget = flags.budget,
       .clock = seconds_now,
       .fits = fits,
       .campaigns = [&] { return share ? share->campaigns() : 1; },
       .on_begin = [&](auto job, const std::string& cell) { screen.begin(job, cell); },
       .on_end = [&](auto job, const std::string& text) { screen.end(job, text); },
       .on_progress = [&](const campaign::Progress& progress) { screen.progress(progress); },
       .say = [&](const std::string& text) { screen.line(text); }}));
  screen.done();
  KTRIAL_TRY(end_of(folder, outcome.error));
  KTRIAL_TRY(print_campaign(store, outcome.record, flags.report));
  return outcome.error ? exit_code(outcome.error->kind) : exit_code(outcome_of(outcome.record));
}

Result<int> run(const CampaignFlags& flags, const Invocation& invocation) {
  const spec::Plan plan = KTRIAL_TRY(spec::load_plan(flags.plan));
  if (!flags.budget.empty()) KTRIAL_TRY(spec::parse_duration(flags.budget));
  std::error_code error;
  auto folder = KTRIAL_TRY(campaign::Folder::create(
      results_of(flags), {.name = plan.name,
                          .plan_text = KTRIAL_TRY(read_file(flags.plan)),
                          .plan_file = fs::absolute(flags.plan, error).lexically_normal().string(),
                          .argv = invocation.argv,
                          .working_dir = fs::current_path(error),
                          .pins = KTRIAL_TRY(pins_of(plan)),
                          .budget = flags.budget}));
  return go_on(flags, std::move(folder));
}

Result<fs::path> found(const CampaignFlags& flags) {
  return campaign::find_night(results_of(flags), flags.plan);
}

Result<int> resume(const CampaignFlags& flags) {
  auto folder = KTRIAL_TRY(campaign::Folder::open(KTRIAL_TRY(found(flags))));
  if (folder.story().ended && flags.budget.empty())
    return usage_error(folder.id() + " came to its end",
                       "begin a new night: ktrial campaign run " + folder.story().plan_file);
  return go_on(flags, std::move(folder));
}

Result<int> status(const CampaignFlags& flags) {
  const fs::path directory = KTRIAL_TRY(found(flags));
  const fs::path file = directory / "campaign.json";
  const std::string text = KTRIAL_TRY(read_file(file));
  auto night = KTRIAL_TRY(campaign::night_from_json(text, file.string()));
  const bool alive = campaign::is_running(directory);
  if (night.state == results::RunState::running && !alive)
    night.state = results::RunState::interrupted;
  // The file is written when trials end; what begins, and the time, are known sooner.
  if (const auto story = campaign::load_story(directory); alive && story) {
    if (night.left_s) *night.left_s = std::max(0.0, *night.left_s - (story->used_s - night.used_s));
    night.used_s = std::max(night.used_s, story->used_s);
    night.running.clear();
    for (const auto& [job, cell] : story->open) night.running.push_back(cell);
  }
  if (flags.report.format == "json") {
    to_stdout("{}", to_json(night));
  } else {
    to_stdout("{}", status_text(night));
  }
  return 0;
}

Result<int> report(const CampaignFlags& flags) {
  auto store = KTRIAL_TRY(results::Store::open(results_of(flags)));
  const auto record = KTRIAL_TRY(campaign::load_campaign(store, KTRIAL_TRY(found(flags))));
  KTRIAL_TRY(print_campaign(store, record, flags.report));
  return 0;
}

using Flags = std::shared_ptr<CampaignFlags>;

void add_shared(CLI::App& command, CampaignFlags& f, const char* what, bool formats) {
  command.add_option("PLAN", f.plan, what)->required();
  command.add_option("--results", f.results, "Where runs are kept [$XDG_STATE_HOME/ktrial]");
  auto* format =
      command.add_option("--format", f.report.format, formats ? "text, json, ..." : "text or json");
  format->check(
      CLI::IsMember(formats ? campaign_formats() : std::vector<std::string>{"text", "json"}));
  if (formats)
    command.add_option(
        "-o,--output", f.report.output,
        "A file for the report, or a folder (DIR/): with html also the index [stdout]");
}

void add_work(CLI::App& command, CampaignFlags& f) {
  command.add_option("--budget", f.budget, "How long, 8h: instead of the plan's");
  command
      .add_option("--jobs", f.jobs, "Trials at a time, whatever the host's CPUs [as it has room]")
      ->check(CLI::Range(1, 1024));
  add_engine_options(command, f.engine);
  command.add_flag("--offline", f.offline, "Download nothing");
}

constexpr char kWhich[] = "A plan's file or name (its latest night), an id, its beginning, or last";

}  // namespace

void add_campaign(CLI::App& app, Action& action, const Invocation& invocation) {
  auto* command =
      app.add_subcommand("campaign", "Trials all night, by a plan; what is new, known, gone");
  command->require_subcommand(1);
  const auto flags = std::make_shared<CampaignFlags>();
  auto* run_it = command->add_subcommand("run", "Begins a night");
  add_shared(*run_it, *flags, "The plan (TOML), see docs/campaigns.md", true);
  add_work(*run_it, *flags);
  run_it->footer(
      "Examples:\n  ktrial campaign run nightly.toml --budget 8h\n  ktrial campaign run "
      "nightly.toml "
      "--engine slurm --results /shared/ktrial     on a cluster, see docs/fleet.md\n\nCtrl-C once "
      "finishes what runs, "
      "twice ends it; `ktrial campaign resume` goes on.\n\nExit status: 0 nothing failed that the "
      "plan does not know, 1 something did, 125 nothing was\njudged, 130 interrupted.");
  run_it->callback([&action, flags, &invocation] {
    action = [flags, &invocation] { return run(*flags, invocation); };
  });
  auto* resume_it = command->add_subcommand("resume", "Goes on with a night that was interrupted");
  add_shared(*resume_it, *flags, kWhich, true);
  add_work(*resume_it, *flags);
  resume_it->footer(
      "Examples:\n  ktrial campaign resume nightly\n  ktrial campaign resume last --budget 10h     "
      "longer than it was to be");
  resume_it->callback([&action, flags] { action = [flags] { return resume(*flags); }; });
  auto* status_it = command->add_subcommand("status", "How far a night is; from any shell");
  add_shared(*status_it, *flags, kWhich, false);
  status_it->footer("Example:\n  watch ktrial campaign status nightly");
  status_it->callback([&action, flags] { action = [flags] { return status(*flags); }; });
  auto* report_it = command->add_subcommand("report", "What a night came to");
  add_shared(*report_it, *flags, kWhich, true);
  report_it->footer(
      "Examples:\n  ktrial campaign report nightly\n  ktrial campaign report last --format html -o "
      "pages/   its page, and index.html over all nights\n  ktrial campaign report "
      "nightly-20261129-212332 --format mail");
  report_it->callback([&action, flags] { action = [flags] { return report(*flags); }; });
  auto* simulate_it = command->add_subcommand(
      "simulate", "Nights that never were: how true is what a night says, how well it is used");
  simulate_it->add_option("--nights", flags->nights, "How many [100]")
      ->check(CLI::Range(2, 100000));
  simulate_it->add_option("--seed", flags->seed, "Of chance [1]");
  simulate_it->footer("Example:\n  ktrial campaign simulate --nights 1000 --seed 5");
  simulate_it->callback([&action, flags] {
    action = [flags]() -> Result<int> {
      to_stdout("{}", campaign::simulate_text(
                          campaign::simulate({.nights = flags->nights, .seed = flags->seed})));
      return 0;
    };
  });
}

}  // namespace ktrial::cli
