#include "harness/campaign/session.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "harness/base/command.h"
#include "harness/campaign/disk.h"
#include "harness/spec/timeouts.h"
#include "results/store/json.h"

namespace ktrial::campaign {
namespace fs = std::filesystem;
namespace {

constexpr double kGuessedBoot = 15, kGuessedDuration = 10;  // seconds, until a trial has told
constexpr double kWriteEvery = 2;                           // seconds between campaign.json's

std::map<std::string, std::size_t> places_of(const spec::Plan& plan) {
  std::map<std::string, std::size_t> out;
  for (std::size_t i = 0; i < plan.cells.size(); ++i) out[cell_name(plan.cells[i].spec)] = i;
  return out;
}

// The night's trials by the store, each once.
std::vector<TrialFact> recorded(const std::vector<results::RunRecord>& runs,
                                const std::map<std::string, std::size_t>& places) {
  std::vector<TrialFact> out;
  for (const results::RunRecord& run : runs) {
    const auto place = places.find(run.part_of.cell);
    if (place == places.end()) continue;
    const auto facts = facts_of(run, place->second);
    out.insert(out.end(), facts.begin(), facts.end());
  }
  std::ranges::stable_sort(out, {}, &TrialFact::started_at);
  return out;
}

std::vector<NightFile> earlier_nights(const fs::path& results, const std::string& name,
                                      const Story& story) {
  auto nights = nights_of(results, name);
  std::erase_if(nights, [&](const NightFile& night) {
    return night.seen.id == story.id || night.seen.started_at > story.started_at;
  });
  return nights;
}

// What is known counts as it did when the night began, whenever it is read: "2027-06-30", UTC.
std::string date_of(const Story& story) { return results::to_text(story.started_at).substr(0, 10); }

class Session {
 public:
  Session(engine::Engine& engine, Folder& folder, results::Store& store, const spec::Plan& plan,
          const std::vector<run::Job>& jobs, const SessionOptions& options)
      : engine_(engine),
        folder_(folder),
        store_(store),
        plan_(plan),
        jobs_(jobs),
        options_(options),
        places_(places_of(plan)),
        earlier_(earlier_nights(store.dir(), plan.name, folder.story())),
        scheduler_(tasks(), limits()),
        disk_(plan),
        begun_s_(options.clock()) {
    night_.id = folder.id();
    night_.plan_file = folder.story().plan_file;
    night_.started_at = folder.story().started_at;
    night_.cores = options.room.vcpus;
    night_.today = date_of(folder.story());
    night_.lost = folder.story().lost;
    told_.insert(folder.story().told.begin(), folder.story().told.end());
    for (const NightFile& night : earlier_)
      for (const auto& [signature, about] : night.signatures) told_.insert(signature);
  }

  Result<SessionOutcome> run() {
    KTRIAL_TRY(folder_.session(used_s(), options_.room.vcpus, options_.budget));
    tell_expired();
    recall();
    KTRIAL_TRY(leave_out());
    KTRIAL_TRY(write());
    auto ended = run_night(engine_, jobs_, scheduler_,
                           {.now =
                                [this] {
                                  if (options_.campaigns) scheduler_.share(options_.campaigns());
                                  return used_s();
                                },
                            .begin = [this](auto job, auto cell) { return begin(job, cell); },
                            .end = [this](const Part& part) { return end(part); },
                            .known = [this](const auto& run) { return taken_.contains(run); },
                            .cold_share = plan_.cold_share,
                            .begun = folder_.story().begun});
    return finish(std::move(ended));
  }

 private:
  double used_s() const { return folder_.story().used_s + options_.clock() - begun_s_; }
  const std::string& name_of(std::size_t cell) const { return jobs_[cell].cell; }

  std::vector<Task> tasks() const {
    std::vector<Task> out;
    for (std::size_t i = 0; i < jobs_.size(); ++i) {
      const auto duration = jobs_[i].spec.duration;
      const double seconds =
          duration ? static_cast<double>(duration->count()) / 1000 : kGuessedDuration;
      Task& task = out.emplace_back(Task{engine::need_of(jobs_[i]), seconds + kGuessedBoot});
      if (!earlier_.empty()) {
        const auto& cells = earlier_.back().seen.cells;
        const auto last = cells.find(jobs_[i].cell);
        if (last == cells.end()) continue;
        task.failed_last_night = last->second.fail > 0;
        // As the trials of last night, unless the plan now asks for longer ones.
        const int trials = last->second.trials();
        const double took = trials > 0 ? last->second.seconds / trials : 0;
        if (took > 0 && (!duration || took >= seconds)) task.expected_s = took;
      }
    }
    return out;
  }

  Limits limits() const {
    Limits out{.goal = plan_.goal,
               .confidence = plan_.confidence,
               .seed = plan_.seed,
               .room = options_.room,
               .at_a_time = options_.at_a_time};
    out.room.vcpus = static_cast<int>(out.room.vcpus * options_.ahead);
    out.room.memory_mib =
        static_cast<std::int64_t>(static_cast<double>(out.room.memory_mib) * options_.ahead);
    if (plan_.budget) out.budget_s = static_cast<double>(plan_.budget->count()) / 1000;
    out.max_trials = plan_.max_trials;
    return out;
  }

  void tell_expired() const {
    for (const spec::Known& one : plan_.known)
      if (expired(one, night_.today) && options_.say)
        options_.say(fmt::format("{}: {} is no longer known: it was until {}", one.place,
                                 one.signature, one.until));
  }

  // What the store has of this night already.
  void recall() {
    for (const results::RunRecord& run : store_.of_campaign(folder_.id(), night_.started_at)) {
      const auto place = places_.find(run.part_of.cell);
      if (place == places_.end()) continue;
      take(run, place->second);
    }
    for (const TrialFact& trial : night_.trials) told_.insert(trial.verdict.signature);
    if (!night_.trials.empty() && options_.say)
      options_.say(fmt::format("{} trials are recorded; {:.0f} s were used", night_.trials.size(),
                               folder_.story().used_s));
    recalled_ = true;
  }

  // Cells that no trial is spent on: told before the first one.
  Status leave_out() {
    if (!options_.fits) return {};
    for (std::size_t cell = 0; cell < jobs_.size(); ++cell) {
      const Status fits = options_.fits(jobs_[cell]);
      if (fits) continue;
      scheduler_.recall(cell, {.broken = true});
      const std::string text = name_of(cell) + ": " + fits.error().message;
      if (std::ranges::find(night_.lost, text) != night_.lost.end()) continue;
      night_.lost.push_back(text);
      if (options_.say) options_.say("left out: " + text);
      KTRIAL_TRY(folder_.done(used_s(), 0, name_of(cell), "", fits.error().message));
    }
    return {};
  }

  void take(const results::RunRecord& run, std::size_t cell) {
    if (!run.trials.empty()) taken_.insert(run.id);
    Came came;
    for (TrialFact& trial : facts_of(run, cell)) {
      const auto outcome = trial.verdict.outcome;
      came.seconds += trial.duration_s;
      ++(outcome == results::Outcome::pass   ? came.pass
         : outcome == results::Outcome::fail ? came.fail
                                             : came.inconclusive);
      night_.trials.push_back(std::move(trial));
    }
    if (!recalled_ && came.pass + came.fail + came.inconclusive > 0) scheduler_.recall(cell, came);
    if (run.state == results::RunState::running) return;  // somebody still makes it
    if (const auto kept = disk_.keep(run); !kept && options_.say)
      options_.say(kept.error().message);
  }

  Status begin(std::uint64_t job, std::size_t cell) {
    KTRIAL_TRY(folder_.submitted(used_s(), job, name_of(cell)));
    if (options_.on_begin) options_.on_begin(job, name_of(cell));
    open_[job] = cell;
    show();
    return {};
  }

  Status end(const Part& part) {
    open_.erase(part.job);
    const std::string problem = part.cancelled ? "" : part.problem;
    if (!problem.empty()) night_.lost.push_back(name_of(part.cell) + ": " + problem);
    std::string text = problem;
    if (part.run) {
      take(*part.run, part.cell);
      for (const results::TrialRecord& trial : part.run->trials)
        if (trial.verdict.outcome != results::Outcome::pass)
          text =
              fmt::format("{}: {}", name(trial.verdict.outcome),
                          trial.verdict.title.empty() ? trial.verdict.reason : trial.verdict.title);
    }
    if (options_.on_end) options_.on_end(part.job, text);
    KTRIAL_TRY(folder_.done(used_s(), part.job, name_of(part.cell), part.run ? part.run->id : "",
                            problem));
    if (part.run) KTRIAL_TRY(tell_new(*part.run, part.cell));
    show();
    if (used_s() >= written_s_ + kWriteEvery) return write();
    return {};
  }

  bool known(const std::string& signature, std::size_t cell) const {
    return std::ranges::any_of(plan_.known, [&](const spec::Known& one) {
      return covers(one, signature, plan_.cells[cell].spec.kernel) && !expired(one, night_.today);
    });
  }

  Status tell_new(const results::RunRecord& run, std::size_t cell) {
    for (const results::TrialRecord& trial : run.trials) {
      const std::string& signature = trial.verdict.signature;
      if (trial.verdict.outcome != results::Outcome::fail || known(signature, cell) ||
          !told_.insert(signature).second)
        continue;
      if (options_.say)
        options_.say("new failure: " + signature + " (" + trial.verdict.title + ")");
      KTRIAL_TRY(folder_.told(used_s(), signature));
      call(plan_.on_new_failure, {{"KTRIAL_SIGNATURE", signature},
                                  {"KTRIAL_TITLE", trial.verdict.title},
                                  {"KTRIAL_CELL", name_of(cell)},
                                  {"KTRIAL_RUN", run.id}});
    }
    return {};
  }

  // One of the plan's programs. That it fails is told, and changes nothing.
  void call(const std::vector<std::string>& argv,
            std::vector<std::pair<std::string, std::string>> environment) const {
    if (argv.empty()) return;
    environment.insert(environment.end(), {{"KTRIAL_CAMPAIGN", folder_.id()},
                                           {"KTRIAL_RESULTS", store_.dir().string()}});
    const auto ran = run_command(argv, {.timeout = spec::host_wait(spec::HostWait::plan_program),
                                        .directory = folder_.story().working_dir,
                                        .environment = std::move(environment)});
    if (!options_.say || (ran && ran->ok())) return;
    options_.say(argv.front() + ": " +
                 (ran ? fmt::format("exit {}, signal {}", ran->exit_status, ran->signal)
                      : ran.error().message));
  }

  Progress progress() const {
    Progress out{.plan = &plan_,
                 .scheduler = &scheduler_,
                 .used_s = used_s(),
                 .running = static_cast<int>(open_.size())};
    for (const TrialFact& trial : night_.trials) {
      const auto outcome = trial.verdict.outcome;
      ++(outcome == results::Outcome::pass   ? out.pass
         : outcome == results::Outcome::fail ? out.fail
                                             : out.inconclusive);
      if (outcome == results::Outcome::fail) ++out.signatures[trial.verdict.signature];
    }
    for (const auto& [job, cell] : open_) out.running_vcpus += jobs_[cell].spec.cpus;
    out.left_s = scheduler_.left_s(out.used_s);
    return out;
  }

  void show() const {
    if (options_.on_progress) options_.on_progress(progress());
  }

  // What there is so far, for `status`: counted, not yet judged.
  Status write() {
    written_s_ = used_s();
    NightFile file{.name = plan_.name,
                   .state = results::RunState::running,
                   .used_s = written_s_,
                   .seen = seen_of(plan_, night_),
                   .left_s = scheduler_.left_s(written_s_)};
    for (const TrialFact& trial : night_.trials)
      if (trial.verdict.outcome == results::Outcome::fail)
        file.signatures.try_emplace(trial.verdict.signature,
                                    NightFile::About{trial.verdict.title, trial.verdict.culprit,
                                                     trial.run, trial.verdict.kind, trial.index});
    for (const auto& [job, cell] : open_) file.running.push_back(name_of(cell));
    return folder_.write(file);
  }

  Result<SessionOutcome> finish(Status ended) {
    SessionOutcome out;
    if (!ended) out.error = ended.error();
    // By the records: they are the truth.
    night_.trials = recorded(store_.of_campaign(folder_.id(), night_.started_at), places_);
    night_.used_s = used_s();
    night_.state = ended ? results::RunState::finished : results::RunState::interrupted;
    night_.finished_at = std::chrono::system_clock::now();
    out.record = assemble(plan_, night_, earlier_);
    const Status kept = [&]() -> Status {
      KTRIAL_TRY(folder_.write(to_file(out.record, seen_of(plan_, night_))));
      return folder_.ended(night_.used_s, night_.state);
    }();
    if (!kept && !out.error) out.error = kept.error();
    if (ended)
      call(plan_.at_end, {{"KTRIAL_NEW", std::to_string(out.record.nights.back().fresh_signatures)},
                          {"KTRIAL_FAILED", std::to_string(out.record.nights.back().fail)}});
    return out;
  }

  engine::Engine& engine_;
  Folder& folder_;
  results::Store& store_;
  const spec::Plan& plan_;
  const std::vector<run::Job>& jobs_;
  const SessionOptions& options_;
  const std::map<std::string, std::size_t> places_;
  const std::vector<NightFile> earlier_;
  Scheduler scheduler_;
  Disk disk_;
  Night night_;
  std::map<std::uint64_t, std::size_t> open_;
  std::set<std::string> told_;   // signatures that are no news
  std::set<std::string> taken_;  // runs that count
  bool recalled_ = false;
  double begun_s_ = 0, written_s_ = 0;
};

}  // namespace

Result<SessionOutcome> run_session(engine::Engine& engine, Folder& folder, results::Store& store,
                                   const spec::Plan& plan, const std::vector<run::Job>& jobs,
                                   const SessionOptions& options) {
  return Session(engine, folder, store, plan, jobs, options).run();
}

Result<results::CampaignRecord> load_campaign(const results::Store& store,
                                              const fs::path& directory) {
  const Story story = KTRIAL_TRY(load_story(directory));
  const spec::Plan plan = KTRIAL_TRY(load_plan_of(directory, story));
  Night night{.id = story.id,
              .plan_file = story.plan_file,
              .started_at = story.started_at,
              .used_s = story.used_s,
              .cores = std::max(1, story.cores),
              .trials = recorded(store.of_campaign(story.id, story.started_at), places_of(plan)),
              .lost = story.lost,
              .today = date_of(story)};
  const auto all = nights_of(store.dir(), plan.name);
  const auto self = std::ranges::find(all, story.id, [](const NightFile& n) { return n.seen.id; });
  if (self != all.end()) night.finished_at = self->finished_at;
  night.state = story.ended             ? results::RunState::finished
                : is_running(directory) ? results::RunState::running
                                        : results::RunState::interrupted;
  return assemble(plan, night, earlier_nights(store.dir(), plan.name, story));
}

std::vector<run::Job> jobs_of(const spec::Plan& plan, const Story& story, const run::Job& base) {
  std::vector<run::Job> out;
  for (spec::PlanCell cell : plan.cells) {
    run::Job& job = out.emplace_back(base);
    job.cell = cell_name(cell.spec);
    if (const auto pin = story.pins.find(cell.spec.kernel); pin != story.pins.end())
      cell.spec.kernel = pin->second;
    job.spec = cell.spec;
    constexpr int kManyTrials = 1000;
    job.of_many = plan.goal.kind == spec::Goal::Kind::trials ? plan.goal.trials : kManyTrials;
    job.campaign = story.id;
    job.argv = rerun(cell, plan.build);
    if (!story.working_dir.empty()) job.working_dir = story.working_dir;
  }
  return out;
}

}  // namespace ktrial::campaign
