// Concurrency ids of one mm, asked for by more tasks than there are CPUs while a
// vfork child, asleep, holds one of them.
//
// The scheduler hands every running task of an mm a small id (mm_cid). While
// there are few tasks, a task owns its id; when there are more than CPUs, each
// CPU does, and the switch must take the ids away from all tasks. A vfork child
// is such a task, but no thread of the process: Linux 6.19-rc1 to 6.19.8 and
// 7.0-rc1 to -rc3 forget it (fixed by commit 28b5a1395036, "sched/mmcid: Handle
// vfork()/CLONE_VM correctly"). Then N CPUs want N ids, the sleeper has one, and
// the last CPU spins in mm_get_cid() for ever, with a run queue locked and
// interrupts off: the machine stands still, often without a word on the console.
//
// Hence the order of a round: a thread vforks (few tasks), the child falls
// asleep, and only then one busy thread per CPU and a few more begin. Each round
// is a freshly forked process, because an mm seldom switches back.
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>

#include "workloads/common/arguments.h"
#include "workloads/common/clock.h"
#include "workloads/common/knobs.h"
#include "workloads/common/progress.h"
#include "workloads/common/threads.h"

using namespace ktrial::workload;

namespace {

std::int64_t rounds = 25;
std::int64_t spin_ms = 60;
std::int64_t extra = 2;
std::int64_t settle_us = 3000;
bool pin = true;
std::int64_t use = 0;
std::int64_t overcommit = 1;
std::int64_t jitter_us = 0;
std::int64_t seed = 1;

// Shared by the round's process and its vfork child, which share all memory.
std::atomic<pid_t> sleeper{0};
std::atomic<bool> sleeper_released{false};
std::atomic<std::int64_t> spun{0};

// In the vfork child: raw system calls only, it borrows its parent's stack and
// thread. It ends by our SIGKILL, or with its parent.
[[noreturn]] void sleep_for_ever() {
  syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  sleeper.store(static_cast<pid_t>(syscall(SYS_getpid)));
  const timespec day{86400, 0};
  for (;;) syscall(SYS_nanosleep, &day, nullptr);
}

// Stands still in vfork until the child is killed, then checks how it ended.
void* vfork_and_wait(void*) {
  const pid_t child = vfork();
  if (child == 0) sleep_for_ever();
  if (child < 0) cannot_run("vfork: %s", std::strerror(errno));
  if (!sleeper_released.load())
    broken("vfork returned while its child was alive and had not exec'd");
  int status = 0;
  pid_t got;
  do {
    got = waitpid(child, &status, 0);
  } while (got < 0 && errno == EINTR);
  if (got != child) broken("waitpid of the vfork child: %s", std::strerror(errno));
  if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
    broken("the vfork child was killed by SIGKILL but its status is %#x", status);
  return nullptr;
}

void* spin(void*) {
  spin_until(now_ns() + spin_ms * 1'000'000);
  ++spun;
  return nullptr;
}

[[noreturn]] void run_round(const std::vector<int>& cpus, std::uint64_t round) {
  Jitter jitter(jitter_us, seed, round);
  jitter.pause();
  const pthread_t forker = start_thread(vfork_and_wait, nullptr);
  while (sleeper.load() == 0) sleep_us(100);
  jitter.pause();
  sleep_us(settle_us);  // it is to be off its CPU, with an id of its own

  std::vector<pthread_t> spinners;
  const std::size_t count =
      cpus.size() * static_cast<std::size_t>(overcommit) + static_cast<std::size_t>(extra);
  for (std::size_t i = 0; i < count; ++i) {
    spinners.push_back(start_thread_on(pin ? cpus[i % cpus.size()] : -1, spin, nullptr));
    jitter.pause();
  }
  for (const pthread_t thread : spinners) pthread_join(thread, nullptr);
  if (spun.load() != static_cast<std::int64_t>(count))
    broken("%zu busy threads were joined but %lld ran", count, static_cast<long long>(spun.load()));

  sleeper_released.store(true);
  if (kill(sleeper.load(), SIGKILL) != 0)
    broken("the sleeping vfork child is gone: %s", std::strerror(errno));
  pthread_join(forker, nullptr);
  _exit(kHealthy);
}

void one_round(const std::vector<int>& cpus, std::uint64_t round) {
  const pid_t child = fork();
  if (child < 0) cannot_run("fork: %s", std::strerror(errno));
  if (child == 0) run_round(cpus, round);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  // The round said itself what was wrong.
  if (WIFEXITED(status) && WEXITSTATUS(status) != 0) _exit(WEXITSTATUS(status));
  if (!WIFEXITED(status)) broken("a round's process ended by signal %d", WTERMSIG(status));
}

}  // namespace

int main(int argc, char** argv) {
  const double duration_s = parse_arguments(argc, argv,
                                            {{"rounds", Integer{&rounds, 1, 1'000'000}},
                                             {"spin_ms", Integer{&spin_ms, 1, 500}},
                                             {"pin", Boolean{&pin}},
                                             {"extra", Integer{&extra, 0, 256}},
                                             {"settle_us", Integer{&settle_us, 0, 500'000}},
                                             {"cpus", Integer{&use, 0, 1024}},
                                             {"overcommit", Integer{&overcommit, 1, 16}},
                                             {"jitter_us", Integer{&jitter_us, 0, 100'000}},
                                             {"seed", Integer{&seed, 0, 1'000'000'000}}});
  const std::vector<int> cpus = use_cpus(use);
  const Deadline deadline(duration_s);
  const bool timed = duration_s > 0;
  const std::uint64_t total = timed ? 0 : static_cast<std::uint64_t>(rounds);
  Progress progress("rounds");
  progress.report(0, total);
  std::uint64_t done = 0;
  while (timed ? !deadline.passed() : done < total) {
    one_round(cpus, done);
    progress.report(++done, total);
  }
  std::printf("mmcid-vfork: %llu rounds on %zu CPUs, each with a sleeping vfork child; seed %lld\n",
              static_cast<unsigned long long>(done), cpus.size(), static_cast<long long>(seed));
  return kHealthy;
}
