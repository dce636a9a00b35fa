#include "harness/campaign/batch.h"

#include <algorithm>
#include <map>

namespace ktrial::campaign {
namespace {

using engine::JobId;
using results::Outcome;

constexpr int kEndless = 1000;  // trials: as good as no end

bool open_ended(const spec::TrialSpec& spec) { return spec.until_fail && spec.repeat == 1; }

// Of one job: where it belongs, and what came of it.
struct Place {
  std::size_t cell = 0;
  JobId job = 0;  // later ones of a cell come later
  bool operator<(const Place& other) const {
    return std::pair(cell, job) < std::pair(other.cell, other.job);
  }
};

class Batch {
 public:
  Batch(engine::Engine& engine, const std::vector<run::Job>& cells, const BatchOptions& options)
      : engine_(engine), cells_(cells), options_(options), states_(cells.size()) {}

  BatchOutcome run() {
    submit_more();
    while (auto done = engine_.next()) {
      take(std::move(*done));
      submit_more();
    }
    return outcome();
  }

 private:
  struct Cell {
    int submitted = 0;  // jobs
    bool over = false;  // it failed, and that was enough
  };

  // How many jobs a cell has; nothing: no end.
  std::optional<int> jobs_of(const run::Job& cell) const {
    if (!options_.split) return 1;
    if (open_ended(cell.spec)) return std::nullopt;
    return cell.spec.repeat;
  }

  // Of the cells that have more to run, the one that has got the least of it: all get on.
  std::optional<std::size_t> next_cell() const {
    std::optional<std::size_t> best;
    for (std::size_t i = 0; i < cells_.size(); ++i) {
      const auto jobs = jobs_of(cells_[i]);
      if (states_[i].over || (jobs && states_[i].submitted >= *jobs)) continue;
      if (!best || states_[i].submitted < states_[*best].submitted) best = i;
    }
    return best;
  }

  void submit_more() {
    while (!interrupted_ && std::ssize(open_) < options_.window) {
      const auto cell = next_cell();
      if (!cell) return;
      run::Job job = cells_[*cell];
      if (options_.split) {
        job.of_many = jobs_of(cells_[*cell]).value_or(kEndless);
        job.spec.repeat = 1;
        if (job.spec.deterministic) job.spec.seed += states_[*cell].submitted;
        job.spec.until_fail = false;
      }
      ++states_[*cell].submitted;
      const JobId id = engine_.submit(job);
      open_.emplace(id, *cell);
      if (options_.on_begin) options_.on_begin(id, job);
    }
  }

  void take(engine::Done done) {
    const auto found = open_.find(done.job);
    if (found == open_.end()) return;  // not of this batch
    const std::size_t cell = found->second;
    open_.erase(found);
    results::BatchPart part{cells_[cell].cell, std::move(done.record), ""};
    if (auto error = error_of(done, cell)) {
      part.problem = error->message;
      errors_.emplace(Place{cell, done.job}, *std::move(error));
    } else if (std::holds_alternative<engine::Cancelled>(done.how) &&
               (!part.run || part.run->trials.empty())) {
      return;  // by us, when its cell was over
    }
    const bool failed =
        part.run && std::ranges::any_of(part.run->trials, [](const results::TrialRecord& trial) {
          return trial.verdict.outcome == Outcome::fail;
        });
    if (failed && cells_[cell].spec.until_fail) end_cell(cell);
    if (options_.on_done) options_.on_done(done.job, part);
    parts_.emplace(Place{cell, done.job}, std::move(part));
  }

  void end_cell(std::size_t cell) {
    states_[cell].over = true;
    for (const auto& [job, of] : open_)
      if (of == cell) engine_.cancel(job);
  }

  // Whether the job could not do its work.
  std::optional<Error> error_of(const engine::Done& done, std::size_t cell) {
    if (const auto* finished = std::get_if<engine::Finished>(&done.how)) return finished->error;
    const std::string name = cells_[cell].cell.empty() ? "" : " (" + cells_[cell].cell + ")";
    if (const auto* lost = std::get_if<engine::Lost>(&done.how))
      return Error{ErrorKind::environment,
                   "job " + std::to_string(done.job) + name + " was lost: " + lost->reason,
                   "what it had committed is kept; run it again for the rest"};
    if (states_[cell].over) return std::nullopt;
    interrupted_ = true;  // nobody else cancels
    return Error{ErrorKind::interrupted, "interrupted"};
  }

  BatchOutcome outcome() {
    BatchOutcome out;
    for (auto& [place, part] : parts_) out.record.parts.push_back(std::move(part));
    bool bounded = true;
    for (std::size_t i = 0; i < cells_.size(); ++i) {
      const spec::TrialSpec& spec = cells_[i].spec;
      bounded = bounded && !spec.until_fail;
      out.record.expected += spec.repeat;
    }
    if (!bounded) out.record.expected = 0;
    for (auto& [place, error] : errors_)
      if (!out.error ||
          (error.kind == ErrorKind::interrupted && out.error->kind != ErrorKind::interrupted))
        out.error = error;
    return out;
  }

  engine::Engine& engine_;
  const std::vector<run::Job>& cells_;
  const BatchOptions& options_;
  std::vector<Cell> states_;
  std::map<JobId, std::size_t> open_;  // to their cells
  std::map<Place, results::BatchPart> parts_;
  std::map<Place, Error> errors_;
  bool interrupted_ = false;
};

}  // namespace

BatchOutcome run_batch(engine::Engine& engine, const std::vector<run::Job>& cells,
                       const BatchOptions& options) {
  const auto begun = std::chrono::system_clock::now();
  BatchOutcome out = Batch(engine, cells, options).run();
  out.record.started_at = begun;
  out.record.finished_at = std::chrono::system_clock::now();
  if (!cells.empty()) {
    out.record.argv = cells.front().argv;
    out.record.working_dir = cells.front().working_dir;
  }
  return out;
}

}  // namespace ktrial::campaign
