#include "harness/engine/slurm/slurm_engine.h"

#include <boost/asio/io_context.hpp>
#include <cmath>
#include <map>

#include "harness/base/host_files.h"
#include "harness/base/installation.h"
#include "harness/engine/interrupts.h"
#include "harness/engine/slurm/builds.h"
#include "harness/engine/slurm/commands.h"
#include "harness/engine/slurm/fleet.h"
#include "harness/engine/slurm/folder.h"
#include "harness/spec/timeouts.h"
#include "results/store/store.h"

namespace ktrial::engine {
namespace asio = boost::asio;
namespace fs = std::filesystem;
using spec::HostWait;
namespace {

constexpr double kTickS = 0.5;
constexpr std::size_t kHeard = 32;  // tasks that are listened to at a time
constexpr double kLeaseParts = 15, kSlowest = 6;

double seconds(HostWait wait) { return static_cast<double>(spec::host_wait(wait).count()) / 1000; }

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

slurm::Pace pace_of(const SlurmOptions& options) {
  const spec::Slurm& config = options.config;
  const double poll = static_cast<double>(config.poll.count()) / 1000;
  return {.largest_array = config.largest_array,
          .most_at_once = options.at_a_time,
          .attempts = config.attempts,
          .poll_s = poll,
          .poll_most_s = poll * kSlowest,
          .lease_s = seconds(HostWait::task_lease) / kLeaseParts,
          .away_s = seconds(HostWait::scheduler_away),
          // Where no other host writes, a file is seen at once.
          .late_file_s = is_own_folder(options.results) ? 1 : seconds(HostWait::shared_file),
          .cancel_s = 2 * seconds(HostWait::job_end)};
}

class SlurmEngine final : public Engine {
 public:
  SlurmEngine(SlurmOptions options, const std::string& program, Watcher watcher)
      : options_(std::move(options)),
        watcher_(std::move(watcher)),
        interrupts_(io_, options_.finish_first, [this](bool finish) { end(finish); }),
        folder_(options_.results / "fleet" / options_.id, program, options_.config.courier),
        cluster_(slurm::slurm_cluster(options_.config, "ktrial-" + options_.id, folder_.path())),
        fleet_(pace_of(options_), *cluster_, folder_,
               {.tell = options_.tell,
                .hear = [this](JobId id, const slurm::Task& task) { hear(id, task); }}) {
    fleet_.adopt();
  }
  ~SlurmEngine() override { fleet_.release(); }

  JobId submit(run::Job job) override {
    const JobId id = ++last_;
    if (interrupts_.came()) {
      fleet_.settled.push_back({id, Cancelled{}, ""});
      return id;
    }
    job.beside_vcpus = 0;  // its CPUs are its own
    if (!job.cache && !options_.config.cache.empty()) job.cache = options_.config.cache;
    // What one node builds another sees in the results folder only.
    auto next = options_.config.courier.used()
                    ? slurm::Builds::Next{slurm::Builds::Ready{id, std::move(job)}, {}}
                    : builds_.take(id, std::move(job), options_.results / "kernels");
    if (next.submit) hand_over(std::move(*next.submit));
    if (next.failed) fleet_.settled.push_back({id, next.failed->how, ""});
    return id;
  }

  std::optional<Done> next() override {
    for (;;) {
      if (io_.stopped()) io_.restart();
      io_.poll();
      if (!fleet_.settled.empty()) {
        slurm::Fleet::Settled settled = std::move(fleet_.settled.front());
        fleet_.settled.pop_front();
        Done done = done_of(std::move(settled));
        if (!slurm::Builds::is_build(done.job)) return done;
        built(done);
        continue;
      }
      if (fleet_.idle()) return std::nullopt;
      const double due = fleet_.step(seconds_now());
      hear_some();
      if (options_.on_tick) options_.on_tick();
      if (!fleet_.settled.empty()) continue;
      const double wait = std::min(kTickS, due - seconds_now());
      if (wait > 0) io_.run_one_for(std::chrono::milliseconds(1 + std::llround(wait * 1000)));
    }
  }

  void cancel(JobId id) override { cancel(id, false); }

 private:
  void cancel(JobId id, bool waiting_only) {
    if (builds_.cancel(id)) fleet_.settled.push_back({id, Cancelled{}, ""});
    fleet_.cancel(id, seconds_now(), waiting_only);
    // A kernel that nobody waits for is not needed.
    if (builds_.idle())
      for (const JobId build : std::exchange(building_, {})) fleet_.cancel(build, seconds_now());
  }

  void hand_over(slurm::Builds::Ready next) {
    if (slurm::Builds::is_build(next.id)) building_.push_back(next.id);
    const slurm::Ask ask = slurm::ask_of(next.job, options_.config);
    const double expected = slurm::expected_s(next.job);
    fleet_.submit(next.id, std::move(next.job), ask, expected);
  }

  void built(const Done& done) {
    std::erase(building_, done.job);
    auto came = builds_.done(done.job, done.how, done.made);
    for (auto& ready : came.ready) hand_over(std::move(ready));
    for (auto& failed : came.failed) fleet_.settled.push_back({failed.id, failed.how, ""});
  }

  void end(bool finish) {
    if (options_.on_signal) options_.on_signal();
    for (JobId id = 1; id <= last_; ++id) cancel(id, finish);
  }

  void hear(JobId id, const slurm::Task& task) {
    folder_.hear(task, [this, id](const run::Event& event) {
      if (const auto* made = std::get_if<run::Made>(&event.what)) made_[id] = *made;
      if (!slurm::Builds::is_build(id)) watcher_(id, event);
    });
  }

  // What they tell while they run is for who looks on: of many, some at a time.
  void hear_some() {
    const auto running = fleet_.running();
    for (std::size_t i = 0; i < std::min(kHeard, running.size()); ++i) {
      const auto& [id, task] = running[heard_++ % running.size()];
      hear(id, task);
    }
  }

  Done done_of(slurm::Fleet::Settled settled) {
    Done done{settled.job, std::move(settled.how)};
    if (const auto made = made_.find(settled.job); made != made_.end()) {
      done.made = made->second;
      made_.erase(made);
    }
    if (settled.run.empty()) return done;
    const fs::path directory = options_.results / "runs" / settled.run;
    auto record = results::load_run(directory);
    // Nobody makes it any more: the scheduler says so, or the task itself did.
    if (record && record->state == results::RunState::running)
      if (const auto store = results::Store::open(options_.results))
        if (auto dead = store->declare_dead(settled.run)) record = std::move(dead);
    const auto* finished = std::get_if<Finished>(&done.how);
    if (record)
      done.record = *std::move(record);
    else if (finished != nullptr && !finished->error)
      done.how =
          Lost{"the record of run " + settled.run + " cannot be read: " + record.error().message};
    return done;
  }

  const SlurmOptions options_;
  const Watcher watcher_;
  asio::io_context io_{1};
  Interrupts interrupts_;
  slurm::Folder folder_;
  const std::unique_ptr<slurm::Cluster> cluster_;
  slurm::Fleet fleet_;
  slurm::Builds builds_;
  std::vector<JobId> building_;
  std::map<JobId, run::Made> made_;
  JobId last_ = 0;
  std::size_t heard_ = 0;
};

Result<std::string> program_on_nodes(const spec::Slurm& config) {
  if (!config.program.empty()) return config.program;
  return KTRIAL_TRY(this_program()).string();
}

}  // namespace

Result<std::unique_ptr<Engine>> slurm_engine(const SlurmOptions& options, Watcher watcher) {
  return std::make_unique<SlurmEngine>(options, KTRIAL_TRY(program_on_nodes(options.config)),
                                       std::move(watcher));
}

}  // namespace ktrial::engine
