#include "harness/campaign/night.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "harness/campaign/assemble.h"

namespace ktrial::campaign {
namespace {

// Jobs in a row, of any cell, that could not work: the next one could not, either.
constexpr int kHopeless = 5;

class NightRun {
 public:
  NightRun(engine::Engine& engine, const std::vector<run::Job>& cells, Scheduler& scheduler,
           const NightHooks& hooks)
      : engine_(engine), cells_(cells), scheduler_(scheduler), hooks_(hooks), begun_(hooks.begun) {}

  Status run() {
    submit_more();
    while (auto done = engine_.next()) {
      take(std::move(*done));
      submit_more();
    }
    if (error_) return std::unexpected(*error_);
    return {};
  }

 private:
  struct Open {
    std::uint64_t number = 0;
    std::size_t cell = 0;
    double begun_s = 0;
  };

  void submit_more() {
    while (!error_) {
      const double now = hooks_.now();
      const auto cell = scheduler_.next(now);
      if (!cell) return;
      const std::uint64_t number = ++last_;
      if (hooks_.begin) keep(hooks_.begin(number, *cell));
      if (error_) return scheduler_.ended(*cell, {});
      open_.emplace(engine_.submit(next_job(*cell)), Open{number, *cell, now});
    }
  }

  run::Job next_job(std::size_t cell) {
    return nth_job(cells_[cell], begun_[cells_[cell].cell]++, hooks_.cold_share);
  }

  void take(engine::Done done) {
    const auto found = open_.find(done.job);
    if (found == open_.end()) return;
    const Open open = found->second;
    open_.erase(found);
    Part part{open.number, open.cell, std::move(done.record), "", false};
    if (part.run && hooks_.known && hooks_.known(part.run->id)) part.run.reset();
    Came came = part.run ? came_of(*part.run) : Came{};
    came.seconds = hooks_.now() - open.begun_s;
    // The next trial of the cell finds the template.
    if (part.run)
      for (const results::TrialRecord& trial : part.run->trials)
        came.seconds = std::max(0.0, came.seconds - made_template_s(trial));
    if (const auto* finished = std::get_if<engine::Finished>(&done.how)) {
      if (finished->error) {
        part.problem = finished->error->message;
        came.broken = finished->error->kind == ErrorKind::usage;
        if (!came.broken && ++failed_ >= kHopeless) keep(std::unexpected(*finished->error));
      } else {
        failed_ = 0;
      }
    } else if (const auto* lost = std::get_if<engine::Lost>(&done.how)) {
      part.problem = "lost: " + lost->reason;
    } else {
      part.cancelled = true;
      keep(fail(ErrorKind::interrupted, "interrupted"));
    }
    scheduler_.ended(open.cell, came);
    if (hooks_.end) keep(hooks_.end(part));
  }

  // Of errors the first, but an interruption before others.
  void keep(Status status) {
    if (status) return;
    const bool first = !error_ || (status.error().kind == ErrorKind::interrupted &&
                                   error_->kind != ErrorKind::interrupted);
    if (first) error_ = std::move(status).error();
  }

  engine::Engine& engine_;
  const std::vector<run::Job>& cells_;
  Scheduler& scheduler_;
  const NightHooks& hooks_;
  std::map<engine::JobId, Open> open_;
  std::map<std::string, int> begun_;  // jobs of a cell
  std::uint64_t last_ = 0;
  int failed_ = 0;
  std::optional<Error> error_;
};

}  // namespace

// The last of each stretch is cold.
run::Job nth_job(run::Job job, int nth, double share) {
  if (job.spec.deterministic) {
    const std::string first = std::to_string(job.spec.seed);
    job.spec.seed += nth;
    const auto flag = std::ranges::find(job.argv, "--seed");
    if (flag != job.argv.end() && flag + 1 != job.argv.end() && flag[1] == first)
      flag[1] = std::to_string(job.spec.seed);
    return job;
  }
  const double before = share * nth;
  if (std::floor(before + share) <= std::floor(before)) return job;
  job.spec.start = spec::Start::cold;
  job.spec.guest_seed.clear();
  job.spec.confirm_cold = 0;
  return job;
}

Came came_of(const results::RunRecord& run) {
  Came came;
  for (const results::TrialRecord& trial : run.trials) switch (trial.verdict.outcome) {
      case results::Outcome::pass:
        ++came.pass;
        break;
      case results::Outcome::fail:
        ++came.fail;
        break;
      case results::Outcome::inconclusive:
        ++came.inconclusive;
    }
  return came;
}

Status run_night(engine::Engine& engine, const std::vector<run::Job>& cells, Scheduler& scheduler,
                 const NightHooks& hooks) {
  return NightRun(engine, cells, scheduler, hooks).run();
}

}  // namespace ktrial::campaign
