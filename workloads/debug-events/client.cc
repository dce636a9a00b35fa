#include "workloads/debug-events/client.h"

#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <random>
#include <vector>

#include "workloads/common/arguments.h"
#include "workloads/common/clock.h"
#include "workloads/common/threads.h"

namespace ktrial::debug_events {
namespace {

using workload::broken;
using workload::cannot_run;

constexpr std::uint32_t kLogReserve = 64;  // entries kept free for what one operation adds

void note(Client& self, Kind kind, std::int32_t task) {
  if (!self.log.add({kind, task})) cannot_run("a client's log is full");
}

void reap(pid_t child, int status_wanted, const char* what) {
  int status = 0;
  pid_t got;
  do {
    got = waitpid(child, &status, 0);
  } while (got < 0 && errno == EINTR);
  if (got != child) broken("%s: waitpid of %d: %s", what, child, std::strerror(errno));
  if (!WIFEXITED(status) || WEXITSTATUS(status) != status_wanted)
    broken("%s: child %d, which exits with %d, has wait status %#x", what, child, status_wanted,
           status);
}

void do_fork(Client& self, int status) {
  const pid_t child = fork();
  if (child < 0) cannot_run("fork: %s", std::strerror(errno));
  if (child == 0) _exit(status);
  note(self, Kind::fork, child);
  reap(child, status, "fork");
  note(self, Kind::exit, child);
}

void do_vfork(Client& self, int status) {
  char name[] = "child", argument[] = "--ktrial-child=0,00,0";  // exit with the status, at once
  argument[17] = static_cast<char>('0' + status / 10);
  argument[18] = static_cast<char>('0' + status % 10);
  char* argv[] = {name, argument, nullptr};
  char* environment[] = {nullptr};
  self.in_vfork = 1;
  const pid_t child = vfork();
  if (child == 0) {
    syscall(SYS_execve, "/proc/self/exe", argv, environment);
    _exit(127);
  }
  self.in_vfork = 0;
  if (child < 0) cannot_run("vfork: %s", std::strerror(errno));
  note(self, Kind::vfork, child);
  note(self, Kind::exec, child);  // if it failed, the exit status tells
  reap(child, status, "vfork and exec");
  note(self, Kind::exit, child);
}

struct Thread {
  std::atomic<pid_t> tid{0};
  std::atomic<std::uint32_t>* leave = nullptr;  // none: ends at once
};
void* be_thread(void* argument) {
  Thread& self = *static_cast<Thread*>(argument);
  self.tid = static_cast<pid_t>(syscall(SYS_gettid));
  while (self.leave && *self.leave == 0) wait_while(*self.leave, 0);
  return nullptr;
}

void do_clone(Client& self) {
  Thread thread;
  pthread_join(workload::start_thread(be_thread, &thread), nullptr);
  note(self, Kind::clone, thread.tid);
  note(self, Kind::exit, thread.tid);
}

void do_mmap(std::uint64_t seed) {
  const std::size_t size = (1 + seed % 16) * 4096;
  void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) cannot_run("mmap: %s", std::strerror(errno));
  std::memset(memory, 1, size);
  if (mprotect(memory, size, PROT_READ) != 0 || munmap(memory, size) != 0)
    broken("mprotect or munmap of fresh memory: %s", std::strerror(errno));
}

void operate(Client& self, std::mt19937_64& random) {
  const int status = static_cast<int>(1 + random() % 99);
  switch (random() % 4) {
    case 0:
      do_fork(self, status);
      break;
    case 1:
      do_vfork(self, status);
      break;
    case 2:
      do_clone(self);
      break;
    case 3:
      do_mmap(random());
      break;
  }
  ++self.operations;
}

// The memory is announced, the debugger reads it while we wait, then signals.
void pass_stage(Client& self, unsigned char* memory, std::uint32_t stage) {
  for (std::size_t i = 0; i < kStageBytes; ++i) memory[i] = pattern(i, stage);
  self.address = reinterpret_cast<std::uint64_t>(memory);
  set_and_wake(self.announced, stage);
  while (self.signalled < stage) wait_while(self.signalled, stage - 1);
  if (self.signalled != stage)
    broken("stages: %u is signalled, %u was announced", self.signalled.load(), stage);
}

void run_stages(Client& self, std::uint32_t stages, std::mt19937_64& random) {
  void* memory =
      mmap(nullptr, kStageBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) cannot_run("mmap: %s", std::strerror(errno));
  for (std::uint32_t stage = 1; stage <= stages; ++stage) {
    pass_stage(self, static_cast<unsigned char*>(memory), stage);
    operate(self, random);
  }
}

// Until told to leave; a full log rests, it is not thrown away.
void run_endless(Client& self, std::mt19937_64& random) {
  while (self.leave == 0) {
    if (self.log.size() + kLogReserve < kMaxEntries)
      operate(self, random);
    else
      do_mmap(random()), ++self.operations;
    workload::sleep_us(static_cast<std::int64_t>(random() % 500));
  }
}

void run_discovery(Client& self, std::uint32_t amount, std::mt19937_64& random) {
  std::vector<Thread> threads(amount);
  std::vector<pthread_t> running;
  for (Thread& thread : threads) {
    thread.leave = &self.leave;
    running.push_back(workload::start_thread(be_thread, &thread));
    workload::sleep_us(static_cast<std::int64_t>(random() % 300));
  }
  for (Thread& thread : threads) {
    while (thread.tid == 0) workload::sleep_us(100);
    note(self, Kind::clone, thread.tid);
  }
  set_and_wake(self.tasks_made, 1);
  for (const pthread_t thread : running) pthread_join(thread, nullptr);
}

}  // namespace

void wait_while(std::atomic<std::uint32_t>& word, std::uint32_t value) {
  const timespec second{1, 0};
  syscall(SYS_futex, &word, FUTEX_WAIT, value, &second, nullptr, 0);
}

void set_and_wake(std::atomic<std::uint32_t>& word, std::uint32_t value) {
  word = value;
  syscall(SYS_futex, &word, FUTEX_WAKE, 1 << 30, nullptr, nullptr, 0);
}

void be_client(Client& self, Part part, std::uint32_t amount, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  while (self.go == 0) wait_while(self.go, 0);
  if (part == Part::staged) run_stages(self, amount, random);
  if (part == Part::endless) run_endless(self, random);
  if (part == Part::discovery) run_discovery(self, amount, random);
  _exit(workload::kHealthy);
}

}  // namespace ktrial::debug_events
