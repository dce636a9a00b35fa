#include "harness/run/run.h"

#include <fmt/format.h>
#include <signal.h>

#include <boost/asio/signal_set.hpp>
#include <thread>

#include "harness/base/file.h"
#include "harness/base/janitor.h"
#include "harness/base/stop_on_signal.h"
#include "harness/console/prefilter.h"
#include "harness/run/lost_boot.h"
#include "harness/run/recorder.h"
#include "harness/run/teller.h"
#include "harness/trial/exact.h"
#include "harness/trial/exact_paths.h"
#include "harness/trial/kept_machine.h"
#include "harness/trial/trial_loop.h"
#include "harness/trial/warm_start.h"
#include "results/campaign.h"
#include "results/report/report.h"
#include "results/store/artifacts.h"
#include "results/store/store.h"

namespace ktrial::run {
namespace asio = boost::asio;
namespace fs = std::filesystem;
using trial::Plan;

namespace {

// In the trial's folder.
constexpr char kFirstBoot[] = "first-boot", kSleeper[] = "sleeper", kAgain[] = "again";

results::SpecSummary summary_of(const spec::TrialSpec& spec) {
  results::SpecSummary out;
  out.kernel = spec.kernel;
  if (spec.command.empty()) out.workload = spec.workload;
  out.command = spec.command;
  out.parameters = {spec.parameters.begin(), spec.parameters.end()};
  out.cpus = spec.cpus;
  out.memory_mib = spec.memory_mib;
  out.repeat = spec.repeat;
  out.until_fail = spec.until_fail;
  out.duration_s = spec.duration ? spec.duration->count() / 1000.0 : 0;
  out.timeout_s = spec.timeout ? spec.timeout->count() / 1000.0 : 0;
  out.accel = name(spec.accel);
  out.vmm = name(spec.vmm);
  out.channel = name(spec.channel);
  out.machine = spec.machine.empty() ? arch::native().machine("")->name : spec.machine;
  out.append = spec.append;
  out.trace = spec.trace;
  return out;
}

results::Facts facts_of(const Plan& plan) {
  results::Facts facts = {{"kernel.image", plan.kernel.image.string()},
                          {"kernel.source", plan.kernel.source},
                          {"kernel.release", plan.kernel.release},
                          {"kernel.sha256", plan.kernel.sha256},
                          {"accel.reason", plan.accel.reason},
                          {"channel.reason", plan.channel_reason},
                          {"timeouts.scale", fmt::format("{:.2f}", plan.timeouts.scale)}};
  // What ran in the guest, with every parameter and seed, defaults too.
  if (!plan.run.argv.empty()) {
    facts.emplace_back("guest.program",
                       plan.program.empty() ? plan.run.argv.front() : plan.program);
    facts.emplace_back("guest.argv", results::shell_quoted(plan.run.argv));
  }
  if (plan.root) {
    facts.emplace_back("root", plan.root->what);
    for (const std::string& note : plan.root->notes) facts.emplace_back("root.note", note);
    if (plan.root->share) facts.emplace_back("root.server", plan.root->share->program.version);
  }
  if (plan.exact && !plan.no_plugin.empty()) facts.emplace_back("plugin.missing", plan.no_plugin);
  facts.insert(facts.end(), plan.vmm.facts.begin(), plan.vmm.facts.end());
  facts.insert(facts.end(), plan.run_facts.begin(), plan.run_facts.end());
  return facts;
}

// SIGINT and SIGTERM reach the running trial through here.
class Signals {
 public:
  explicit Signals(asio::io_context& io) : set_(io, SIGINT, SIGTERM) { wait(); }
  trial::Monitor* active = nullptr;
  int caught = 0;

 private:
  void wait() {
    set_.async_wait([this](auto error, int number) {
      if (error) return;
      caught = number;
      if (active != nullptr) active->interrupt(number);
      wait();
    });
  }
  asio::signal_set set_;
};

bool enough(const spec::TrialSpec& spec, int done, const results::TrialRecord& last) {
  if (spec.until_fail && last.verdict.outcome == results::Outcome::fail) return true;
  // --until-fail alone goes on for ever; with --repeat it is bounded.
  return done >= spec.repeat && !(spec.until_fail && spec.repeat == 1);
}

struct Court {
  asio::io_context& io;
  Signals& signals;
  Janitor& janitor;
  const Plan& plan;
  Teller& teller;
  const fs::path& store;
};

// `from`: the template that it goes on from; null: it boots. `again`: once more, if it is lost.
Result<results::TrialRecord> one_start(const Court& court, int index, const fs::path& artifacts,
                                       const vm::TemplateStore::Lease* from = nullptr,
                                       bool again = false) {
  court.io.poll();  // a signal since the last one
  if (court.signals.caught != 0) return fail(ErrorKind::interrupted, "interrupted");
  Recorder recorder = KTRIAL_TRY(Recorder::create(artifacts, court.teller));
  recorder.on_step(fmt::format("{} {} ({}, {})", from != nullptr ? "resuming" : "booting",
                               court.plan.kernel.release, vm::name(court.plan.accel.accel),
                               channel::name(court.plan.channel)));
  SteadyClock clock(court.io);
  trial::TrialContext context{court.io, clock, court.janitor, recorder, court.signals.active};
  context.boots_again = again;
  auto record = trial::run_trial(context, court.plan, artifacts, from);
  court.io.poll();
  // An error after Ctrl-C is its doing: a terminal sends it to all that we started, too.
  if (court.signals.caught != 0) return fail(ErrorKind::interrupted, "interrupted");
  if (!record) return record;
  KTRIAL_TRY(recorder.close());
  record->index = index;
  return record;
}

// On a copy of the template. Its error, if it is no interruption, says why the trial has to boot:
// a copy is never trusted, and what did not speak was not judged.
Result<results::TrialRecord> warm_trial(const Court& court, int index, const fs::path& artifacts) {
  SteadyClock clock(court.io);
  const trial::TrialContext context{
      court.io, clock, court.janitor, court.teller, court.signals.active, [&] {
        return court.signals.caught != 0;
      }};
  const auto lease = KTRIAL_TRY(trial::take_template(context, court.plan));
  auto record = one_start(court, index, artifacts, &lease);
  if (record && !trial::never_woke(*record)) return record;
  if (!record && record.error().kind == ErrorKind::interrupted) return record;
  trial::WarmStart& warm = *court.plan.warm;
  warm.store.drop(warm.key);
  KTRIAL_TRY(set_aside(artifacts, artifacts / kSleeper));
  return fail(ErrorKind::environment, record ? record->verdict.reason : record.error().message);
}

Result<results::TrialRecord> cold_trial(const Court& court, int index, int boots,
                                        const fs::path& artifacts) {
  const bool again = boots >= 2 && court.plan.accel.accel == vm::Accel::tcg;
  auto record = KTRIAL_TRY(one_start(court, index, artifacts, nullptr, again));
  if (!again || !lost_at_boot(record)) return record;
  court.teller.on_step(fmt::format("{}; booting once more", record.verdict.reason));
  KTRIAL_TRY(set_aside(artifacts, artifacts / kFirstBoot));
  const std::string first =
      fmt::format("{}: {}", record.verdict.kind.name(), record.verdict.reason);
  record = KTRIAL_TRY(one_start(court, index, artifacts));
  record.facts.emplace_back("first_boot", first);
  record.verdict.reason +=
      fmt::format("; this was the second boot, {}/ has the first one: {}", kFirstBoot, first);
  return record;
}

std::string deterministic(const results::Determinism& state) {
  return fmt::format("; deterministic, seed {}", state.seed);
}

// Runs it once more, held where the first run ended, and compares the two.
Result<void> show_twice(Plan& plan, const Court& court, int index, const fs::path& artifacts,
                        results::TrialRecord& record) {
  results::Determinism& state = *record.determinism;
  court.teller.on_step(fmt::format("{}: {}; once more, to be sure", record.verdict.title,
                                   name(record.verdict.outcome)));
  plan.exact->hold_at = trial::hold_for(state);
  plan.ends_when_held = true;
  std::error_code error;
  fs::create_directory(artifacts / kAgain, error);
  const auto again = KTRIAL_TRY(one_start(court, index, artifacts / kAgain));
  state.parted = again.determinism ? trial::first_parting({state, artifacts},
                                                          {*again.determinism, artifacts / kAgain})
                                   : "it was never held: " + again.verdict.reason;
  if (!state.parted.empty()) {
    const bool cut_short = !again.determinism || again.determinism->held.empty();
    record.verdict.reason += deterministic(state) +
                             (cut_short ? ", not shown twice: a second run was cut short: "
                                        : ", but a second run was another: ") +
                             state.parted;
    return {};
  }
  // Of a machine that ended by itself only the second one was held.
  if (state.held.empty()) {
    const auto argv = state.argv;
    state = *again.determinism;
    state.argv = argv;
    for (const char* name : {"registers.txt", trial::kPathsFile})
      if (const fs::path from = artifacts / kAgain / name; fs::exists(from))
        KTRIAL_TRY(replace_with_copy(from, artifacts / name));
  }
  state.runs = 2;
  // What was not judged may have ended by the host's time: a limit that passed.
  record.verdict.reason +=
      deterministic(state) + (record.verdict.outcome == results::Outcome::fail
                                  ? ": this command line shows it every time (2 runs equal)"
                                  : ", a second run was equal up to where this one ended");
  return {};
}

// A deterministic one: what did not pass is run once more, and has to be the same.
Result<results::TrialRecord> exact_trial(const Court& court, int index, const fs::path& artifacts) {
  Plan plan = court.plan;
  plan.exact->seed = plan.spec.seed + index;
  const Court own{court.io, court.signals, court.janitor, plan, court.teller, court.store};
  auto record = KTRIAL_TRY(one_start(own, index, artifacts));
  if (!record.determinism) return record;
  record.determinism->runs = 1;
  const auto unjudged = [&record](std::string why) {
    record.verdict = {};
    record.verdict.reason = std::move(why);
    return record;
  };
  if (plan.ends_when_held) return unjudged("run again up to a point where it was held; not judged");
  // A boot that stands only in this mode is no failure of the kernel's.
  if (record.boot_s == 0)
    return unjudged("the guest did not come to its agent in deterministic mode: " +
                    record.verdict.reason);
  if (record.verdict.outcome == results::Outcome::pass)
    record.verdict.reason += deterministic(*record.determinism) + ", run once";
  else if (plan.exact->plugin.empty())
    record.verdict.reason += deterministic(*record.determinism) + ", run once: " + plan.no_plugin;
  else
    KTRIAL_TRY(show_twice(plan, own, index, artifacts, record));
  return record;
}

Result<results::TrialRecord> one_trial(const Court& court, int index, int boots,
                                       const fs::path& artifacts) {
  if (court.plan.exact) return exact_trial(court, index, artifacts);
  trial::WarmStart* warm = court.plan.warm.get();
  if (warm != nullptr && warm->given_up.empty()) {
    auto record = warm_trial(court, index, artifacts);
    if (record || record.error().kind == ErrorKind::interrupted) return record;
    warm->given_up = record.error().message;
    court.teller.on_step("starts cold: " + warm->given_up);
  }
  auto record = cold_trial(court, index, boots, artifacts);
  const std::string& why = warm != nullptr ? warm->given_up : court.plan.start_reason;
  if (record && !why.empty()) record->facts.emplace_back("start.cold_because", why);
  return record;
}

// With what was done for it before it began.
Result<results::TrialRecord> prepared_trial(const Court& court, int index, int boots,
                                            const fs::path& artifacts) {
  auto record = one_trial(court, index, boots, artifacts);
  trial::WarmStart* warm = court.plan.warm.get();
  if (warm == nullptr || !record) return record;
  if (const double s = std::exchange(warm->made_in_s, 0); s > 0)
    record->facts.emplace_back(results::kTemplateMade, fmt::format("{:.3f}", s));
  return record;
}

using Trial = std::function<Result<results::TrialRecord>(const fs::path& artifacts)>;

Result<results::TrialRecord> hold(const Court& court, results::RunDir& run, int index,
                                  const Trial& trial) {
  court.teller.set_trial(index);
  const auto artifacts = KTRIAL_TRY(run.begin_trial(index));
  auto record = KTRIAL_TRY(trial(artifacts));
  KTRIAL_TRY(run.add_trial(record));
  if (court.plan.spec.keep_machine) trial::bound_kept_machines(court.store);
  const results::Verdict& verdict = record.verdict;
  court.teller.tell(TrialEnded{verdict.outcome, verdict.title, verdict.reason, record.duration_s});
  court.teller.set_trial(std::nullopt);
  return record;
}

// Whether what failed in a copy fails in a machine of its own, too: trials from `index` on.
Status confirm_cold(const Court& court, const Job& job, results::RunDir& run, int index,
                    const results::TrialRecord& failed) {
  const int of = job.spec.confirm_cold;
  int came = 0;
  for (int i = 0; i < of; ++i) {
    const auto record = KTRIAL_TRY(hold(court, run, index + i, [&](const fs::path& artifacts) {
      auto cold = cold_trial(court, index + i, job.boots, artifacts);
      if (cold) cold->facts.emplace_back("confirms", fmt::format("trial {}", failed.index));
      return cold;
    }));
    came += record.verdict.signature == failed.verdict.signature ? 1 : 0;
  }
  court.teller.on_step(
      fmt::format("{} came in {} of {} trials that booted", failed.verdict.signature, came, of));
  return {};
}

Status run_all(const Court& court, const Job& job, results::RunDir& run) {
  bool confirmed = job.spec.confirm_cold == 0;
  int index = 0;
  for (int done = 1;; ++done, ++index) {
    const auto record = KTRIAL_TRY(hold(court, run, index, [&](const fs::path& artifacts) {
      return prepared_trial(court, index, job.boots, artifacts);
    }));
    const bool failed = record.verdict.outcome == results::Outcome::fail;
    if (failed && record.start == spec::name(spec::Start::warm) && !confirmed) {
      KTRIAL_TRY(confirm_cold(court, job, run, index + 1, record));
      confirmed = true;
      index += job.spec.confirm_cold;
    }
    if (enough(job.spec, done, record)) return {};
  }
}

Result<Plan> make_plan(asio::io_context& io, const Job& job, const fs::path& initramfs,
                       Teller& teller) {
  // While a plan is made nobody pumps the main io_context: helpers such as
  // apt-get block it.
  const StopOnSignal signals;
  const auto payload = KTRIAL_TRY(trial::find_payload());
  const auto cache = job.cache ? *job.cache : KTRIAL_TRY(kernel::default_cache_dir());
  auto git = to_request(job.build);
  git.progress = [&](const kernel::BuildProgress& progress) { teller.on_build(progress); };
  auto plan =
      trial::prepare(io, job.spec,
                     {.payload = payload,
                      .cache = cache,
                      .initramfs = initramfs,
                      .packed = job.initramfs,
                      .offline = job.offline,
                      .git = git,
                      .beside_vcpus = job.beside_vcpus,
                      .of_many = job.of_many,
                      .progress = [&](std::string_view line) { teller.on_step(std::string(line)); },
                      .stop = signals.token()});
  if (signals.token().stop_requested()) return fail(ErrorKind::interrupted, "interrupted");
  if (plan) plan->introspect = job.introspect;
  if (plan && !job.campaign.empty()) plan->one_of_many = true;
  return plan;
}

void tell_plan(const Plan& plan, Teller& teller) {
  teller.on_step(fmt::format("kernel {} ({})", plan.kernel.release, plan.kernel.source));
  teller.on_step(fmt::format("accelerator {}: {}", vm::name(plan.accel.accel), plan.accel.reason));
  teller.on_step(fmt::format("channel {}: {}", channel::name(plan.channel), plan.channel_reason));
  if (plan.warm)
    teller.on_step("start warm: copies of one machine, kept in " +
                   plan.warm->store.folder().string());
  else if (!plan.start_reason.empty())
    teller.on_step("start cold: " + plan.start_reason);
}

}  // namespace

Result<results::RunRecord> run_job(const Job& job, const Sink& sink,
                                   const std::function<Status(Plan&)>& adapt, bool indexed) {
  Janitor janitor = KTRIAL_TRY(Janitor::start());
  // A copy's first line comes before this would be done.
  const std::jthread patterns(console::prepare_candidates);
  Teller teller(sink);
  auto store = KTRIAL_TRY(results::Store::open(job.results, indexed));
  auto run = KTRIAL_TRY(store.begin_run(summary_of(job.spec), job.argv, {job.campaign, job.cell}));
  // What runs it again, whole; of a run that is discarded it goes, too.
  KTRIAL_TRY(results::write_artifact(run.path() / "job.json", to_json(job)));
  teller.tell(Begun{run.id(), run.path()});

  asio::io_context io;
  Signals signals(io);
  auto plan = make_plan(io, job, run.path() / "initramfs.cpio", teller);
  if (!plan) {
    // What could not begin is no run; only an interrupted one is worth remembering.
    if (plan.error().kind != ErrorKind::interrupted) run.discard();
    return std::unexpected(std::move(plan).error());
  }
  if (adapt) KTRIAL_TRY(adapt(*plan));
  run.set_facts(facts_of(*plan));
  tell_plan(*plan, teller);

  auto done = run_all({io, signals, janitor, *plan, teller, job.results}, job, run);
  auto finished = run.finish(done ? results::RunState::finished : results::RunState::interrupted);
  if (!done) return std::unexpected(std::move(done).error());  // the first error is the telling one
  KTRIAL_TRY(std::move(finished));
  return run.record();
}

}  // namespace ktrial::run
