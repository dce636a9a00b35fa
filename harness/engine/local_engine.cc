#include "harness/engine/local_engine.h"

#include <signal.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <map>

#include "harness/base/installation.h"
#include "harness/engine/interrupts.h"
#include "harness/engine/job_process.h"
#include "results/store/store.h"

namespace ktrial::engine {
namespace asio = boost::asio;
namespace fs = std::filesystem;
namespace {

constexpr std::chrono::milliseconds kTick{500};

class LocalEngine final : public Engine {
 public:
  LocalEngine(LocalOptions options, Watcher watcher)
      : options_(std::move(options)),
        watcher_(std::move(watcher)),
        queue_(options_.room ? *options_.room : room_here(), options_.at_a_time),
        interrupts_(io_, options_.finish_first, [this](bool finish) { end(finish); }),
        second_(io_) {
    if (options_.on_tick) await_second();
  }

  JobId submit(run::Job job) override {
    const JobId id = ++last_;
    if (interrupts_.came())
      done_.push_back({id, Cancelled{}});
    else
      queue_.push(id, std::move(job));
    return id;
  }

  std::optional<Done> next() override {
    for (;;) {
      if (io_.stopped()) io_.restart();
      io_.poll();  // a signal since the last call comes before a job begins
      begin_what_fits();
      if (!done_.empty()) {
        Done out = std::move(done_.front());
        done_.pop_front();
        return out;
      }
      if (running_.empty()) return std::nullopt;
      io_.run_one();
    }
  }

  void cancel(JobId id) override {
    if (queue_.remove(id)) done_.push_back({id, Cancelled{}});
    if (const auto found = running_.find(id); found != running_.end())
      found->second.process->end(options_.patience);
  }

 private:
  struct Running {
    Need need;
    std::unique_ptr<JobProcess> process;
  };

  void end(bool finish) {
    if (options_.on_signal) options_.on_signal();
    for (JobId id = 1; id <= last_; ++id)
      if (!finish || !running_.contains(id)) cancel(id);
  }

  void await_second() {
    second_.expires_after(kTick);
    second_.async_wait([this](auto error) {
      if (error) return;
      options_.on_tick();
      await_second();
    });
  }

  std::vector<Need> needs() const {
    std::vector<Need> out;
    for (const auto& [id, one] : running_) out.push_back(one.need);
    return out;
  }

  void begin_what_fits() {
    while (auto next = queue_.take(needs())) {
      next->job.beside_vcpus = queue_.beside(needs());
      begin(next->id, next->job);
    }
  }

  void begin(JobId id, const run::Job& job) {
    auto process = JobProcess::start(
        io_, options_.program, job, [this, id](const run::Event& event) { watcher_(id, event); },
        [this, id] { ended(id); });
    if (!process)
      done_.push_back({id, Finished{128, std::move(process).error()}});
    else
      running_.emplace(id, Running{need_of(job), *std::move(process)});
  }

  void ended(JobId id) {
    const auto found = running_.find(id);
    Done done{id, found->second.process->how(), {}, found->second.process->made()};
    if (const auto& begun = found->second.process->begun()) {
      // A run that could not make its first trial is gone from the store.
      auto record = results::load_run(begun->directory);
      auto* finished = std::get_if<Finished>(&done.how);
      if (record && record->id == begun->run)
        done.record = *std::move(record);
      else if (finished != nullptr && !finished->error)
        done.how = Lost{"the record of run " + begun->run + " cannot be read: " +
                        (record ? "it is another's" : record.error().message)};
    }
    // We are called by it: it goes when that is over.
    asio::post(io_, [gone = std::shared_ptr<JobProcess>(std::move(found->second.process))] {});
    running_.erase(found);
    done_.push_back(std::move(done));
  }

  const LocalOptions options_;
  const Watcher watcher_;
  asio::io_context io_{1};
  Queue queue_;
  Interrupts interrupts_;
  asio::steady_timer second_;
  std::map<JobId, Running> running_;
  std::deque<Done> done_;
  JobId last_ = 0;
};

}  // namespace

Result<std::unique_ptr<Engine>> local_engine(const LocalOptions& options, Watcher watcher) {
  LocalOptions chosen = options;
  if (chosen.program.empty()) chosen.program = KTRIAL_TRY(this_program());
  return std::make_unique<LocalEngine>(std::move(chosen), std::move(watcher));
}

}  // namespace ktrial::engine
