#include "workloads/common/storm.h"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <random>

#include "workloads/common/arguments.h"
#include "workloads/common/clock.h"
#include "workloads/common/progress.h"
#include "workloads/common/threads.h"

namespace ktrial::workload {
namespace {

constexpr std::int64_t kPatience = 5'000'000'000;  // ns that fork may say "try again"

// In memory that all our processes share.
struct Counters {
  std::atomic<std::int64_t> live{0}, started{0}, ended{0}, refused{0};
};

struct Storm {
  const StormPlan& plan;
  Counters& counters;
  std::int64_t live_limit;  // children that can be alive at once
  std::int64_t end_ns;      // of this generation
};

struct Worker {
  const Storm* storm = nullptr;
  std::atomic<std::size_t>* at_work = nullptr;  // threads that have not ended
  std::mt19937_64 random;
  Slot slot;
};

template <typename T>
T pick(const std::vector<T>& from, std::mt19937_64& random) {
  return from[random() % from.size()];
}

std::int64_t random_hold_us(const StormPlan& plan, std::mt19937_64& random) {
  return static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(plan.hold_ms * 1000 + 1));
}

// Refusal is no fault by itself (memory may be short for a moment), lasting refusal is.
pid_t start_with_patience(Worker& worker) {
  Counters& counters = worker.storm->counters;
  for (const std::int64_t begun = now_ns();;) {
    const pid_t pid = start_child(worker.slot);
    if (pid > 0) return pid;
    const int error = errno;
    const char* variant = name_of(worker.slot.variant);
    if (error == ENOSYS || counters.started.load() == 0)
      cannot_run("%s: %s", variant, std::strerror(error));
    ++counters.refused;
    if ((error != EAGAIN && error != ENOMEM) || now_ns() - begun > kPatience)
      broken("%s fails: %s, with %lld of at most %lld children alive", variant,
             std::strerror(error), static_cast<long long>(counters.live.load()),
             static_cast<long long>(worker.storm->live_limit));
    sleep_us(10'000);
  }
}

void* work(void* argument) {
  Worker& worker = *static_cast<Worker*>(argument);
  const Storm& storm = *worker.storm;
  while (now_ns() < storm.end_ns) {
    worker.slot.variant = pick(storm.plan.variants, worker.random);
    worker.slot.behaviour = pick(storm.plan.children, worker.random);
    worker.slot.status = static_cast<int>(1 + worker.random() % 100);
    worker.slot.hold_us = random_hold_us(storm.plan, worker.random);
    const std::int64_t live = ++storm.counters.live;
    if (live > storm.live_limit)
      broken("%lld children alive, %lld is the most that were started",
             static_cast<long long>(live), static_cast<long long>(storm.live_limit));
    const pid_t child = start_with_patience(worker);
    ++storm.counters.started;
    reap_and_check(worker.slot, child);
    --storm.counters.live;
    ++storm.counters.ended;
  }
  --*worker.at_work;
  return nullptr;
}

// One generation of one process. Its threads begin one by one while children of
// earlier ones already sleep or run: what the kernel keeps per mm is to change
// its mode with such children about. The main thread is the killer.
[[noreturn]] void run_process(const Storm& storm, std::size_t threads, std::uint64_t seed) {
  std::atomic<std::size_t> at_work{0};
  auto workers = std::make_unique<Worker[]>(threads);
  std::vector<pthread_t> running;
  std::int64_t next_start = now_ns();
  while (at_work.load() > 0 || (running.size() < threads && now_ns() < storm.end_ns)) {
    if (running.size() < threads && now_ns() >= next_start) {
      Worker& worker = workers[running.size()];
      worker.storm = &storm;
      worker.random.seed(seed * 1'000'003 + running.size());
      worker.at_work = &at_work;
      ++at_work;
      running.push_back(start_thread(work, &worker));
      next_start = now_ns() + random_hold_us(storm.plan, worker.random) * 1000;
    }
    for (std::size_t i = 0; i < running.size(); ++i) kill_if_due(workers[i].slot);
    sleep_us(500);
  }
  for (const pthread_t thread : running) pthread_join(thread, nullptr);
  _exit(kHealthy);
}

// About the number of CPUs, on both sides of it: what the kernel keeps per mm
// (mm_cid, cpumasks) changes its mode there.
std::size_t threads_of_generation(const StormPlan& plan, std::size_t cpus, std::uint64_t index) {
  if (plan.threads > 0) return static_cast<std::size_t>(plan.threads);
  const std::size_t choices[] = {std::max<std::size_t>(1, cpus / 2), cpus, cpus + 1, 2 * cpus};
  return choices[index % std::size(choices)];
}

void require_room(std::int64_t live_limit) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NPROC, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return;
  const auto need = static_cast<rlim_t>(live_limit * 2 + 16);  // children, their parents' threads
  if (limit.rlim_cur < need)
    cannot_run("RLIMIT_NPROC is %llu, this storm needs %llu: fewer processes or threads",
               static_cast<unsigned long long>(limit.rlim_cur),
               static_cast<unsigned long long>(need));
}

class Parent {
 public:
  Parent(const StormPlan& plan, Counters& counters)
      : plan_(plan), counters_(counters), cpus_(allowed_cpus().size()), deadline_(plan.duration_s) {
    const std::size_t most = plan.threads > 0 ? static_cast<std::size_t>(plan.threads) : 2 * cpus_;
    live_limit_ = plan.processes * static_cast<std::int64_t>(most);
    require_room(live_limit_);
  }

  // Starts, replaces and reaps the processes until the time is over.
  void run(Progress& progress) {
    std::int64_t shown = -1;
    for (;;) {
      while (!deadline_.passed() && running_.size() < static_cast<std::size_t>(plan_.processes))
        start_process();
      reap();
      // Only growth is a sign of life.
      if (const std::int64_t ended = counters_.ended.load(); ended != shown) {
        progress.tick(static_cast<std::uint64_t>(ended), 0);
        shown = ended;
      }
      if (running_.empty() && deadline_.passed()) break;
      sleep_us(10'000);
    }
    progress.report(static_cast<std::uint64_t>(counters_.ended.load()), 0);
  }

  void check_sum() const {
    if (counters_.live.load() != 0 || counters_.started.load() != counters_.ended.load())
      broken("%lld children started, %lld reaped, %lld still counted alive",
             static_cast<long long>(counters_.started.load()),
             static_cast<long long>(counters_.ended.load()),
             static_cast<long long>(counters_.live.load()));
    if (waitpid(-1, nullptr, WNOHANG) != -1 || errno != ECHILD)
      broken("there is a child that nobody started");
  }

 private:
  void start_process() {
    const std::uint64_t index = generations_++;
    const std::int64_t end =
        std::min(deadline_.end_ns(), now_ns() + plan_.generation_ms * 1'000'000);
    const Storm storm{plan_, counters_, live_limit_, end};
    const pid_t parent = getpid();
    const pid_t pid = fork();
    if (pid < 0) cannot_run("fork: %s", std::strerror(errno));
    if (pid == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (getppid() != parent) _exit(kCannotRun);
      run_process(storm, threads_of_generation(plan_, cpus_, index),
                  static_cast<std::uint64_t>(plan_.seed) + index);
    }
    running_.push_back(pid);
  }

  void reap() {
    int status = 0;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
      if (std::erase(running_, pid) == 0) broken("process %d ended, it is no child of ours", pid);
      if (WIFEXITED(status) && WEXITSTATUS(status) == kHealthy) continue;
      for (const pid_t other : running_) kill(other, SIGKILL);
      while (waitpid(-1, nullptr, 0) > 0) {
      }
      if (WIFEXITED(status)) _exit(WEXITSTATUS(status));  // it said itself what was wrong
      broken("a process of the storm ended by signal %d", WTERMSIG(status));
    }
  }

  const StormPlan& plan_;
  Counters& counters_;
  std::size_t cpus_;
  Deadline deadline_;
  std::int64_t live_limit_ = 0;
  std::uint64_t generations_ = 0;
  std::vector<pid_t> running_;
};

template <typename T>
std::vector<std::string> names_with_mix(const std::vector<T>& of) {
  std::vector<std::string> names = {"mix"};
  for (const T& one : of) names.emplace_back(name_of(one));
  return names;
}

template <typename T>
std::vector<T> chosen(const std::vector<T>& of, const std::string& name) {
  if (name == "mix") return of;
  return {*std::find_if(of.begin(), of.end(), [&](T one) { return name == name_of(one); })};
}

}  // namespace

int run_storm(const StormPlan& plan) {
  require_exec();
  void* shared =
      mmap(nullptr, sizeof(Counters), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) cannot_run("mmap: %s", std::strerror(errno));
  auto& counters = *new (shared) Counters;
  Parent parent(plan, counters);
  Progress progress("children");
  progress.report(0, 0);
  parent.run(progress);
  parent.check_sum();
  std::printf("%s: %lld children started, all ended as planned (fork refused %lld times)\n",
              plan.name, static_cast<long long>(counters.started.load()),
              static_cast<long long>(counters.refused.load()));
  std::fflush(stdout);
  return kHealthy;
}

StormPlan storm_arguments(int argc, char** argv, const char* name, std::vector<Variant> variants,
                          std::vector<Behaviour> children) {
  StormPlan plan{.name = name, .variants = {}, .children = {}};
  std::string variant = "mix", child = "mix";
  const double duration_s =
      parse_arguments(argc, argv,
                      {{"processes", Integer{&plan.processes, 1, 64}},
                       {"threads", Integer{&plan.threads, 0, 64}},
                       {"variant", Choice{&variant, names_with_mix(variants)}},
                       {"child", Choice{&child, names_with_mix(children)}},
                       {"hold_ms", Integer{&plan.hold_ms, 0, 500}},
                       {"generation_ms", Integer{&plan.generation_ms, 10, 10'000'000}},
                       {"seed", Integer{&plan.seed, 0, 1'000'000'000}}});
  if (duration_s > 0) plan.duration_s = duration_s;
  plan.variants = chosen(variants, variant);
  plan.children = chosen(children, child);
  return plan;
}

}  // namespace ktrial::workload
