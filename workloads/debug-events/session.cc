#include "workloads/debug-events/session.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <new>
#include <random>

#include "workloads/common/arguments.h"
#include "workloads/common/clock.h"
#include "workloads/debug-events/client.h"
#include "workloads/debug-events/debugger.h"

namespace ktrial::debug_events {
namespace {

using workload::broken;
using workload::cannot_run;
using workload::sleep_us;

constexpr const char* kSessions[] = {"staged", "discovery", "sigint", "detach", "pairs"};
constexpr std::uint64_t kMoreOperations = 5;  // that a client does without its debugger

template <typename Body>
pid_t start_process(Body body) {
  const pid_t parent = getpid(), pid = fork();
  if (pid < 0) cannot_run("fork: %s", std::strerror(errno));
  if (pid > 0) return pid;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(workload::kCannotRun);
  body();
  _exit(workload::kCannotRun);  // not reached: a body ends its process
}

// What a wrong kernel's log would look like.
void falsify(const std::string& plant, std::vector<Event>& log, std::vector<Entry>& witness) {
  if (log.size() < 4) return;
  const Event last = log.back();
  if (plant == "gap") log.erase(log.begin() + 2);
  if (plant == "duplicate") log.insert(log.begin() + 2, log[1]);
  if (plant == "dangling") log[log.size() - 2].ref += 1'000'000;
  if (plant == "undestroyed") log.pop_back();
  if (plant == "ghost") log.push_back({last.seqno + 1, Kind::exec, last.task, 0, last.ref});
  if (plant == "witness")
    for (const Event& e : log)
      if (e.kind == Kind::fork) witness.push_back({Kind::exec, e.task});
}

class Session {
 public:
  Session(const Plan& plan, std::uint64_t index, workload::Progress& progress, Totals& totals)
      : plan_(plan),
        progress_(progress),
        totals_(totals),
        random_(static_cast<std::uint64_t>(plan.seed) * 1'000'003 + index),
        name_(plan.session == "mix" ? kSessions[index % std::size(kSessions)] : plan.session) {
    void* memory =
        mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) cannot_run("mmap: %s", std::strerror(errno));
    shared_ = new (memory) Shared;
  }
  ~Session() { munmap(shared_, sizeof *shared_); }
  Session(const Session&) = delete;

  void run(Connector& connector) {
    connector.forget();
    start_clients();
    if (name_ == "staged") run_staged();
    if (name_ == "discovery") run_discovery();
    if (name_ == "sigint") run_left(false);
    if (name_ == "detach") run_left(true);
    if (name_ == "pairs") run_pairs();
    connector.drain();
    if (connector.malformed()) broken("connector: a datagram that is not in its documented form");
    judge(connector);
  }

 private:
  void start_clients() {
    const Part part = name_ == "staged"      ? Part::staged
                      : name_ == "discovery" ? Part::discovery
                                             : Part::endless;
    const auto amount =
        static_cast<std::uint32_t>(part == Part::staged ? plan_.stages : plan_.threads);
    for (std::int64_t i = 0; i < plan_.clients; ++i) {
      Client& client = shared_->clients[i];
      const std::uint64_t seed = random_();
      orders_.clients.push_back(start_process([&] { be_client(client, part, amount, seed); }));
    }
    alive_ = orders_.clients;
  }

  void start_debugger() {
    orders_.hold_vfork_us = static_cast<std::int64_t>(random_() % 3000);
    orders_.misread = plan_.plant == "memory";
    debugger_ = start_process([&] { be_debugger(orders_, *shared_); });
  }

  template <typename Get>
  void tell(Get word) {
    for (std::int64_t i = 0; i < plan_.clients; ++i) set_and_wake(word(shared_->clients[i]), 1);
  }
  void go() {
    tell([](Client& c) -> auto& { return c.go; });
  }
  void leave() {
    tell([](Client& c) -> auto& { return c.leave; });
  }

  // What has ended: as it should. Someone else's broken invariant is told by itself.
  void reap() {
    int status = 0;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
      const bool is_debugger = pid == debugger_;
      if (is_debugger) debugger_ = 0;
      if (!is_debugger && std::erase(alive_, pid) == 0)
        broken("process %d ended, it is no child of ours", pid);
      if (WIFEXITED(status) && WEXITSTATUS(status) == workload::kHealthy) continue;
      if (is_debugger && interrupted_ && WIFSIGNALED(status) && WTERMSIG(status) == SIGINT)
        continue;
      if (WIFEXITED(status)) _exit(WEXITSTATUS(status));
      broken("%s %d ended by signal %d", is_debugger ? "the debugger" : "client", pid,
             WTERMSIG(status));
    }
  }

  // Growth of what the session did is the sign of life; without it, it is not shown.
  template <typename Done>
  void wait_until(Done done) {
    while (!done()) {
      reap();
      const std::uint64_t events = totals_.events + shared_->events.size();
      if (events != shown_) progress_.tick(events, 0);
      shown_ = events;
      sleep_us(500);
    }
  }
  void wait_for_all() {
    wait_until([&] { return alive_.empty() && debugger_ == 0; });
  }
  void wait_for_attached() {
    wait_until([&] { return shared_->attached == orders_.clients.size() || debugger_ == 0; });
  }

  void run_staged() {
    orders_.serve_stages = true;
    start_debugger();
    wait_for_attached();
    go();
    wait_for_all();
  }

  void run_discovery() {
    orders_.discover = true;
    go();
    sleep_us(static_cast<std::int64_t>(random_() % 3000));
    start_debugger();
    wait_for_attached();
    for (std::int64_t i = 0; i < plan_.clients; ++i)
      wait_until([&] { return shared_->clients[i].tasks_made == 1; });
    // One whole scan that began after the last thread was there.
    const std::uint32_t scans = shared_->scans;
    wait_until([&] { return shared_->scans >= scans + 2; });
    leave();
    wait_for_all();
  }

  // The debugger leaves in the middle, by SIGINT or by detaching; the clients go on.
  void run_left(bool detach) {
    start_debugger();
    wait_for_attached();
    go();
    const auto enough = static_cast<std::uint32_t>(plan_.clients * (10 + random_() % 40));
    wait_until([&] { return shared_->events.size() >= enough; });
    sleep_us(static_cast<std::int64_t>(random_() % 5000));
    if (detach) {
      shared_->detach = 1;
    } else {
      interrupted_ = true;
      kill(debugger_, SIGINT);
    }
    wait_until([&] { return debugger_ == 0; });
    for (std::int64_t i = 0; i < plan_.clients; ++i) {
      const Client& client = shared_->clients[i];
      const std::uint64_t before = client.operations;
      wait_until([&] { return client.operations >= before + kMoreOperations; });
    }
    leave();
    wait_for_all();
  }

  void run_pairs() {
    orders_.pairs = static_cast<std::uint32_t>(plan_.pairs);
    shared_->detach = 1;
    go();
    start_debugger();
    wait_until([&] { return debugger_ == 0; });
    leave();
    wait_for_all();
    const auto wanted = static_cast<std::uint32_t>(plan_.clients * plan_.pairs);
    if (shared_->pairs != wanted)
      broken("pairs: %u of %u attached and let go", shared_->pairs.load(), wanted);
  }

  void must_hold(const std::string& problem) {
    if (!problem.empty()) broken("%s session: %s", name_.c_str(), problem.c_str());
  }

  void judge(const Connector& connector) {
    std::vector<Event> log = shared_->events.copy();
    std::vector<Entry> witness = connector.entries();
    falsify(plan_.plant, log, witness);
    must_hold(check_log(log, name_ != "sigint"));
    const bool whole = name_ == "staged";
    std::vector<std::int32_t> tasks;
    for (std::int64_t i = 0; i < plan_.clients; ++i) {
      const std::int32_t client = orders_.clients[static_cast<std::size_t>(i)];
      std::vector<Entry> own = shared_->clients[i].log.copy();
      if (plan_.plant == "mismatch" && !own.empty()) own.erase(own.begin());
      tasks.push_back(client);
      for (const Entry& entry : own) tasks.push_back(entry.task);
      if (whole || name_ == "sigint" || name_ == "detach")
        must_hold(check_client(log, client, own, whole));
      if (whole) {
        const auto tokens = shared_->tokens[i].copy();
        must_hold(check_tokens(tokens, static_cast<std::uint32_t>(plan_.stages)));
        totals_.stages += tokens.size() / 2;
      }
    }
    if (name_ == "discovery") must_hold(check_discovery(log, tasks));
    if (whole || name_ == "discovery") see_witness(connector, log, witness);
    ++totals_.sessions;
    totals_.events += log.size();
    totals_.vforks_held += shared_->vforks_held;
  }

  void see_witness(const Connector& connector, const std::vector<Event>& log,
                   const std::vector<Entry>& witness) {
    if (!connector.why_not().empty()) {
      totals_.witness_missing = connector.why_not();
      return;
    }
    must_hold(check_witness(log, witness));
    ++totals_.witnessed;
  }

  const Plan& plan_;
  workload::Progress& progress_;
  Totals& totals_;
  std::mt19937_64 random_;
  std::string name_;
  Shared* shared_ = nullptr;
  Orders orders_;
  std::vector<pid_t> alive_;
  pid_t debugger_ = 0;
  bool interrupted_ = false;
  std::uint64_t shown_ = 0;
};

}  // namespace

void run_session(const Plan& plan, std::uint64_t index, Connector& connector,
                 workload::Progress& progress, Totals& totals) {
  Session(plan, index, progress, totals).run(connector);
}

}  // namespace ktrial::debug_events
