// `ktrial compare A B`: is B worse than A?
#include <memory>

#include "harness/base/file.h"
#include "harness/campaign/compare.h"
#include "harness/campaign/folder.h"
#include "harness/cli/build_flags.h"
#include "harness/cli/commands.h"
#include "harness/cli/display.h"
#include "harness/cli/engine_choice.h"
#include "harness/cli/exit_codes.h"
#include "harness/cli/output.h"
#include "harness/cli/trial_flags.h"
#include "harness/spec/parse.h"
#include "harness/spec/timeouts.h"
#include "harness/spec/validate.h"
#include "results/store/store.h"

namespace ktrial::cli {
namespace fs = std::filesystem;
namespace {

using stats::Known;

constexpr double kColdShare = 0.1;  // as a campaign's

struct CompareFlags {
  TrialFlags trial;
  BuildFlags build;
  EngineFlags engine;
  std::string a, b, signature, budget;
  double confidence = 0.95, odds = 3;
  int trials = 200, jobs = 0;
};

// What stands behind a name.
struct Found {
  campaign::Side side;
  std::optional<campaign::Seen> night;  // of a campaign
  bool kernel() const { return side.what == "kernel"; }
};

bool is_kernel(const std::string& name) {
  std::error_code error;
  return name == "host" || name.starts_with("deb:") || name.starts_with("git:") ||
         (fs::exists(name, error) && !fs::exists(fs::path(name) / "run.json", error) &&
          !fs::exists(fs::path(name) / "journal.jsonl", error));
}

Result<Found> find(const CompareFlags& flags, const results::Store& store,
                   const std::string& name) {
  Found out{.side = {.name = name, .what = "kernel"}, .night = {}};
  if (is_kernel(name)) return out;
  if (const auto run = store.load(name)) {
    out.side.name = run->id;
    out.side.what = "run";
    campaign::count(out.side, *run, flags.signature);
    return out;
  }
  const auto directory = campaign::find_night(store.dir(), name);
  if (!directory)
    return usage_error(
        "'" + name + "' is no kernel, and no run or campaign in " + store.dir().string(),
        "a kernel is an image, a build tree, deb:PACKAGE, git:REV or host");
  const fs::path file = *directory / "campaign.json";
  const std::string text = KTRIAL_TRY(read_file(file));
  auto night = KTRIAL_TRY(campaign::night_from_json(text, file.string()));
  out.side.name = night.seen.id;
  out.side.what = "campaign";
  out.night = std::move(night.seen);
  return out;
}

// Those of a run, or all cells of a campaign, as one sample.
campaign::Side whole(const Found& found) {
  campaign::Side side = found.side;
  if (!found.night) return side;
  for (const auto& [name, cell] : found.night->cells) {
    side.seen = side.seen + cell.judged();
    side.inconclusive += cell.inconclusive;
  }
  return side;
}

Result<campaign::Sampled> sampled(const CompareFlags& flags, const Invocation& invocation,
                                  const Found& a, const Found& b) {
  const auto specs = KTRIAL_TRY(specs_of(flags.trial, invocation.command));
  if (specs.size() != 1)
    return usage_error("two kernels are compared by one trial, not a matrix of them",
                       "a matrix is a campaign's; two campaigns can be compared");
  std::error_code error;
  run::Job job{.spec = specs.front(),
               .build = run::to_values(KTRIAL_TRY(git_options(flags.build))),
               .results = fs::absolute(results_dir(flags.trial.results), error),
               .offline = flags.trial.offline,
               .argv = invocation.argv,
               .working_dir = fs::current_path(error),
               .of_many = flags.trials};
  job.spec.repeat = 1;
  run::Job jobs[2] = {job, job};
  for (const auto& [side, found] : {std::pair(0, &a), std::pair(1, &b)}) {
    jobs[side].spec.kernel = found->side.name;
    jobs[side].cell = "kernel=" + found->side.name;
    KTRIAL_TRY(spec::validate(jobs[side].spec));
  }
  campaign::SampleOptions options{
      .test = {.alpha = 1 - flags.confidence, .beta = 1 - campaign::kPower, .odds = flags.odds},
      .most = flags.trials,
      .cold_share = job.spec.start == spec::Start::automatic ? kColdShare : 0,
      .signature = flags.signature};
  if (!flags.budget.empty())
    options.budget_s =
        static_cast<double>(KTRIAL_TRY(spec::parse_duration(flags.budget)).count()) / 1000;
  const auto begun = std::chrono::steady_clock::now();
  options.now = [begun] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  };
  Display display({.output_to_stderr = true, .several = true});
  options.on_begin = [&](auto id, const std::string& label) { display.begin(id, label); };
  options.on_end = [&](auto id, const std::string& text) { display.end(id, text); };
  const auto chosen = KTRIAL_TRY(
      choose_engine(flags.engine, {.results = job.results, .at_a_time = flags.jobs},
                    [&](engine::JobId id, const run::Event& event) { display.hear(id, event); }));
  options.window = std::max(2, flags.jobs > 0 ? flags.jobs : chosen.room.vcpus);
  auto out = campaign::sample(*chosen.engine, jobs[0], jobs[1], a.side, b.side, options);
  display.done();
  return out;
}

int exit_of(const campaign::Compared& compared) {
  if (compared.verdict == Known::worse) return exit_code(results::Outcome::fail);
  return exit_code(compared.verdict == Known::not_yet ? results::Outcome::inconclusive
                                                      : results::Outcome::pass);
}

void print(const campaign::Compared& compared, const std::string& format) {
  to_stdout("{}", format == "json" ? compared_json(compared) : compared_text(compared));
}

Result<int> compare(const CompareFlags& flags, const Invocation& invocation) {
  auto store = KTRIAL_TRY(results::Store::open(results_dir(flags.trial.results)));
  const Found a = KTRIAL_TRY(find(flags, store, flags.a));
  const Found b = KTRIAL_TRY(find(flags, store, flags.b));
  if (a.kernel() != b.kernel())
    return usage_error("a kernel is compared with a kernel: " + a.side.name + " is a " +
                           a.side.what + ", " + b.side.name + " is a " + b.side.what,
                       "runs and campaigns have their trials already");
  if (a.kernel()) {
    const auto out = KTRIAL_TRY(sampled(flags, invocation, a, b));
    if (!out.error || out.compared.verdict != Known::not_yet)
      print(out.compared, flags.trial.format);
    if (out.error) return std::unexpected(*out.error);
    return exit_of(out.compared);
  }
  const auto out =
      a.night && b.night
          ? campaign::compare_campaigns(a.side, *a.night, b.side, *b.night, flags.confidence)
          : campaign::compare_counts(whole(a), whole(b), flags.confidence);
  print(out, flags.trial.format);
  return exit_of(out);
}

}  // namespace

void add_compare(CLI::App& app, Action& action, const Invocation& invocation) {
  auto* command = app.add_subcommand("compare", "Is kernel, run or campaign B worse than A?");
  auto flags = std::make_shared<CompareFlags>();
  auto& f = *flags;
  command->add_option("A", f.a, "A kernel, or a run's or campaign's id")->required();
  command->add_option("B", f.b, "Likewise")->required();
  command->add_option("--confidence", f.confidence, "Of the answer [0.95]")
      ->check(CLI::Range(0.5, 0.9999));
  command->add_option("--signature", f.signature, "Only failures of this signature count [all do]");
  command->add_option("--trials", f.trials, "Of two kernels: at most so many of each [200]")
      ->check(CLI::Range(1, spec::kMaxRepeat));
  command->add_option("--budget", f.budget, "Of two kernels: at most so long, 30m");
  command
      ->add_option("--odds", f.odds,
                   "Of two kernels: the smallest ratio of odds that matters [3: 10 % and 25 %]")
      ->check(CLI::Range(1.1, 1000.0));
  command
      ->add_option("--jobs", f.jobs, "Trials at a time, whatever the host's CPUs [as it has room]")
      ->check(CLI::Range(1, 1024));
  add_engine_options(*command, f.engine);
  add_build_options(*command, f.build);
  add_trial_options(*command, f.trial);
  command->remove_option(command->get_option("SPEC"));
  command->footer(R"(Examples:
  ktrial compare deb:linux-image-6.18.15+deb13-cloud-amd64 deb:linux-binary-6.19.6+deb13-cloud-amd64
  ktrial compare git:v6.18 git:v6.19 --tree ~/linux --workload fork-storm --budget 1h
  ktrial compare bzImage.old bzImage.new --workload rcu-storm --engine slurm --results /shared/ktrial
  ktrial compare nightly-20261128-2200 nightly-20261129-2200

Two kernels are run in turn, A B A B, until it is known which is worse, or that neither is; runs and
campaigns are compared by the trials they have.

Exit status: 1 B is worse, 0 it is not, or no difference was seen, 125 nothing was judged.)");
  command->callback([&action, flags, &invocation] {
    action = [flags, &invocation] { return compare(*flags, invocation); };
  });
}

}  // namespace ktrial::cli
