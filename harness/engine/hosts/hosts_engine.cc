#include "harness/engine/hosts/hosts_engine.h"

#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <map>
#include <utility>

#include "harness/base/installation.h"
#include "harness/engine/hosts/pool.h"
#include "harness/engine/hosts/probe.h"
#include "harness/engine/interrupts.h"
#include "harness/engine/job_process.h"
#include "harness/spec/timeouts.h"
#include "results/store/store.h"

namespace ktrial::engine {
namespace asio = boost::asio;
namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
namespace {

constexpr std::chrono::milliseconds kHostsTick{500};
constexpr double kAskAgainS = 10;   // a host that is down
constexpr double kLookAgainS = 30;  // at one that is up: it may be gone, or busy with others
constexpr double kBusy = 0.5, kNotBusy = 0.25;  // share of its CPUs that others have
constexpr int kMostAttempts = 4;                // of a job, that hosts lost

class PoolEngine final : public Engine {
 public:
  PoolEngine(HostsOptions options, Watcher watcher)
      : options_(std::move(options)),
        watcher_(std::move(watcher)),
        interrupts_(io_, options_.finish_first, [this](bool finish) { end(finish); }),
        second_(io_),
        pool_(options_.uris.size()),
        hosts_(options_.uris.size()) {
    await_second();
    for (std::size_t host = 0; host < hosts_.size(); ++host) ask(host);
  }

  // Until each has answered or failed to.
  Result<Room> first_answers() {
    while (!interrupts_.came() &&
           std::ranges::any_of(hosts_, [](const Host& host) { return host.probe != nullptr; }))
      io_.run_one();
    if (interrupts_.came()) return fail(ErrorKind::interrupted, "interrupted");
    if (pool_.room().vcpus > 0) return pool_.room();
    std::string all;
    for (std::size_t host = 0; host < hosts_.size(); ++host)
      all += "\n  " + options_.uris[host] + ": " + hosts_[host].why;
    return fail(ErrorKind::environment, "no host answers:" + all,
                "see `ktrial doctor --engine hosts`");
  }

  JobId submit(run::Job job) override {
    const JobId id = ++last_;
    if (interrupts_.came())
      done_.push_back({id, Cancelled{}});
    else
      waiting_.push_back({id, std::move(job)});
    return id;
  }

  std::optional<Done> next() override {
    for (;;) {
      if (io_.stopped()) io_.restart();
      io_.poll();
      begin_what_fits();
      if (!done_.empty()) {
        Done out = std::move(done_.front());
        done_.pop_front();
        return out;
      }
      if (running_.empty() && waiting_.empty() && held_.empty()) return std::nullopt;
      io_.run_one();
    }
  }

  void cancel(JobId id) override {
    const auto is = [id](const auto& one) { return one.id == id; };
    if (std::erase_if(waiting_, is) + std::erase_if(held_, is) > 0)
      done_.push_back({id, Cancelled{}});
    if (const auto found = running_.find(id); found != running_.end()) {
      found->second.cancelled = true;
      found->second.process->end(options_.patience);
    }
  }

 private:
  struct Host {
    std::unique_ptr<hosts::Probe> probe;  // it is being asked
    bool again = false;                   // for a reason that came after the question
    bool busy = false;                    // with others, and that was told
    std::string why = "it was not asked";
    Clock::time_point ask_at{};
    std::optional<Clock::time_point> down_since;
  };
  struct Waiting {
    JobId id = 0;
    run::Job job;
    int attempts = 0;
  };
  struct Running {
    Waiting what;
    Need need;
    std::size_t host = 0;
    Clock::time_point begun;
    bool cancelled = false;
    bool taken_back = false;  // it had not begun, and its host is gone
    std::unique_ptr<JobProcess> process;
  };
  struct Held {  // whether its host is to blame is being asked
    JobId id = 0;
    Waiting what;
    std::size_t host = 0;
    Done done;
    std::string why;
  };

  void tell(const std::string& text) const {
    if (options_.tell) options_.tell(text);
  }

  void end(bool finish) {
    if (options_.on_signal) options_.on_signal();
    for (JobId id = 1; id <= last_; ++id)
      if (!finish || !running_.contains(id)) cancel(id);
  }

  void await_second() {
    second_.expires_after(kHostsTick);
    second_.async_wait([this](auto error) {
      if (error) return;
      if (options_.on_tick) options_.on_tick();
      for (std::size_t host = 0; host < hosts_.size(); ++host)
        if (!hosts_[host].probe && Clock::now() >= hosts_[host].ask_at) ask(host);
      give_up_when_all_are_down();
      await_second();
    });
  }

  void ask(std::size_t host) {
    auto probe =
        hosts::Probe::start(io_, options_.program, options_.uris[host],
                            [this, host](Result<hosts::Answer> said) { answered(host, said); });
    if (probe)
      hosts_[host].probe = *std::move(probe);
    else
      answered(host, std::unexpected(probe.error()));
  }

  void answered(std::size_t host, const Result<hosts::Answer>& said) {
    Host& one = hosts_[host];
    asio::post(io_, [gone = std::shared_ptr<hosts::Probe>(std::move(one.probe))] {});
    // What it said may be older than the reason to ask.
    if (std::exchange(one.again, false) && said) return ask(host);
    one.ask_at = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                    std::chrono::duration<double>(said ? kLookAgainS : kAskAgainS));
    if (said) {
      if (one.down_since) tell(options_.uris[host] + " answers again");
      one.down_since.reset();
      pool_.up(host, said->room, said->others_cpus);
      tell_load(host, *said);
      if (said->orphans_ended > 0)
        tell(fmt::format("{}: ended {} that nobody waited for any more", options_.uris[host],
                         said->orphans_ended == 1
                             ? "a machine"
                             : fmt::format("{} machines", said->orphans_ended)));
    } else {
      one.why = said.error().message;
      if (!one.down_since) {
        tell(options_.uris[host] + " does not answer: " + one.why);
        one.down_since = Clock::now();
      }
      pool_.down(host);
      take_back_from(host);
    }
    release_held(host, said.has_value());
  }

  void tell_load(std::size_t host, const hosts::Answer& said) {
    const double share = said.others_cpus / std::max(1, said.room.vcpus);
    bool& busy = hosts_[host].busy;
    if (!busy && share >= kBusy)
      tell(fmt::format("{} is busy with others, {:.1f} of its {} CPUs: it takes fewer jobs",
                       options_.uris[host], said.others_cpus, said.room.vcpus));
    busy = share >= (busy ? kNotBusy : kBusy);
  }

  // What has not begun may wait there for minutes. What has begun ends itself.
  void take_back_from(std::size_t host) {
    for (auto& [id, running] : running_) {
      if (running.host != host || running.taken_back || running.process->begun()) continue;
      if (running.need.vcpus == 0) continue;  // it needs no machine there
      running.taken_back = true;
      running.process->end(options_.patience);
    }
  }

  // What ended without a record goes once more, unless it is the job's own doing.
  void release_held(std::size_t host, bool well) {
    std::vector<Held> ours;
    for (auto it = held_.begin(); it != held_.end();) {
      if (it->host != host) {
        ++it;
        continue;
      }
      ours.push_back(std::move(*it));
      it = held_.erase(it);
    }
    for (Held& held : ours) {
      if (held.what.attempts >= (well ? most_where_well(held.done) : kMostAttempts) ||
          interrupts_.came()) {
        done_.push_back(std::move(held.done));
        continue;
      }
      tell("a job was lost with " + options_.uris[host] + ": " + held.why + "; it goes once more");
      waiting_.push_front(std::move(held.what));
    }
  }

  // What a job says itself may be of a libvirtd that was lost and is back already: then it goes
  // once more.
  static int most_where_well(const Done& done) {
    return std::holds_alternative<Finished>(done.how) ? 2 : 1;
  }

  void give_up_when_all_are_down() {
    const auto limit = spec::host_wait(spec::HostWait::scheduler_away);
    for (const Host& host : hosts_)
      if (!host.down_since || Clock::now() < *host.down_since + limit) return;
    for (const Waiting& one : waiting_)
      done_.push_back({one.id, Lost{"no host answers: " + hosts_.front().why}});
    waiting_.clear();
  }

  void begin_what_fits() {
    for (auto it = waiting_.begin(); it != waiting_.end();) {
      if (options_.at_a_time > 0 && std::ssize(running_) >= options_.at_a_time) return;
      const Need need = need_of(it->job);
      const auto host = pool_.place(need);
      if (!host) return;  // in order: a large one is not put off by small ones
      Waiting what = std::move(*it);
      it = waiting_.erase(it);
      begin(std::move(what), need, *host);
    }
  }

  void begin(Waiting what, const Need& need, std::size_t host) {
    const JobId id = what.id;
    ++what.attempts;
    run::Job job = what.job;
    job.spec.vmm = spec::Vmm::libvirt;
    job.spec.connect = options_.uris[host];
    job.beside_vcpus = 0;
    auto process = JobProcess::start(
        io_, options_.program, job, [this, id](const run::Event& event) { watcher_(id, event); },
        [this, id] { ended(id); });
    if (!process) {
      pool_.leave(host, need);
      done_.push_back({id, Finished{128, std::move(process).error()}});
      return;
    }
    running_.emplace(
        id, Running{std::move(what), need, host, Clock::now(), false, false, *std::move(process)});
  }

  void ended(JobId id) {
    const auto found = running_.find(id);
    Running running = std::move(found->second);
    running_.erase(found);
    pool_.leave(running.host, running.need);
    Done done{id, running.process->how(), {}, running.process->made()};
    if (const auto& begun = running.process->begun())
      if (auto record = results::load_run(begun->directory); record && record->id == begun->run)
        done.record = *std::move(record);
    asio::post(io_, [gone = std::shared_ptr<JobProcess>(std::move(running.process))] {});
    std::string why = why_none(done);
    if (running.taken_back && why.empty() && !done.record) {
      why = "it had not begun when its host was gone";
      done.how = Lost{why};
    }
    const bool judged = done.record && !done.record->trials.empty();
    if (judged && why.empty())
      pool_.learn(running.host, running.what.job.cell,
                  std::chrono::duration<double>(Clock::now() - running.begun).count());
    if (why.empty() || judged || running.cancelled) {
      // One that judged nothing may be the first sign.
      if (judged && done.record->verdict.outcome == results::Outcome::inconclusive)
        suspect(running.host);
      done_.push_back(std::move(done));
      return;
    }
    held_.push_back({id, std::move(running.what), running.host, std::move(done), why});
    if (running.taken_back)
      release_held(running.host, false);
    else
      suspect(running.host);
  }

  void suspect(std::size_t host) {
    pool_.doubt(host);
    if (hosts_[host].probe)
      hosts_[host].again = true;
    else
      ask(host);
  }

  // Why it has no verdict, where its host may be the reason; else empty.
  static std::string why_none(const Done& done) {
    if (const auto* lost = std::get_if<Lost>(&done.how)) return lost->reason;
    const auto* finished = std::get_if<Finished>(&done.how);
    if (finished == nullptr || !finished->error) return "";
    const bool host = finished->error->kind == ErrorKind::environment;
    return host ? finished->error->message : "";
  }

  const HostsOptions options_;
  const Watcher watcher_;
  asio::io_context io_{1};
  Interrupts interrupts_;
  asio::steady_timer second_;
  hosts::Pool pool_;
  std::vector<Host> hosts_;
  std::deque<Waiting> waiting_;
  std::deque<Held> held_;
  std::map<JobId, Running> running_;
  std::deque<Done> done_;
  JobId last_ = 0;
};

}  // namespace

Result<HostsEngine> hosts_engine(const HostsOptions& options, Watcher watcher) {
  HostsOptions chosen = options;
  if (chosen.uris.empty())
    return usage_error("--engine hosts: no host is named",
                       "name them in the fleet file: [hosts] uris = [\"qemu+ssh://lab1/system\"]");
  if (chosen.program.empty()) chosen.program = KTRIAL_TRY(this_program());
  auto engine = std::make_unique<PoolEngine>(std::move(chosen), std::move(watcher));
  const Room room = KTRIAL_TRY(engine->first_answers());
  return HostsEngine{std::move(engine), room};
}

}  // namespace ktrial::engine
