#include "workloads/int3-poke/callers.h"

#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>

#include "workloads/common/arguments.h"
#include "workloads/common/clock.h"

namespace ktrial::workload {
namespace {

constexpr int kFifoMax = 99;       // sched_get_priority_max(SCHED_FIFO): sched(7)
constexpr int kRepeat = 20;        // of the quick calls, between two vforks
constexpr int kCountedCalls = 10;  // per turn while the window is open

// Not by the C library: it answers from the vDSO, and the entry of the kernel is
// what is patched.
std::int64_t raw_clock() {
  timespec t{};
  if (syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &t) != 0)
    broken("clock_gettime: %s", std::strerror(errno));
  return t.tv_sec * 1'000'000'000LL + t.tv_nsec;
}

void check_futex(std::uint32_t* word) {
  const long woken = syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
  if (woken != 0) broken("futex wake with nobody waiting returned %ld", woken);
  const long waited = syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, *word + 1, nullptr, nullptr, 0);
  if (waited != -1 || errno != EAGAIN)
    broken("futex wait for another value returned %ld, %s", waited, std::strerror(errno));
}

void check_vfork(int status) {
  const pid_t child = vfork();
  if (child == 0) syscall(SYS_exit_group, status);
  if (child < 0) {
    if (errno == EAGAIN || errno == ENOMEM) return;
    broken("vfork: %s", std::strerror(errno));
  }
  int got = 0;
  pid_t pid;
  do {
    pid = waitpid(child, &got, 0);
  } while (pid < 0 && errno == EINTR);
  if (pid != child || !WIFEXITED(got) || WEXITSTATUS(got) != status)
    broken("a vfork child that exits with %d ended with status %#x", status, got);
}

}  // namespace

Callers::Callers(const std::vector<int>& cpus, std::int64_t per_cpu)
    : count_(cpus.size() * static_cast<std::size_t>(per_cpu)), parent_(getppid()) {
  callers_ = std::make_unique<Caller[]>(count_);
  for (std::size_t i = 0; i < count_; ++i) {
    callers_[i].owner = this;
    callers_[i].cpu = cpus[i % cpus.size()];
    callers_[i].thread = start_thread(run, &callers_[i]);
  }
}

Callers::~Callers() {
  stop_ = true;
  for (std::size_t i = 0; i < count_; ++i) pthread_join(callers_[i].thread, nullptr);
}

void* Callers::run(void* caller) {
  auto& self = *static_cast<Caller*>(caller);
  self.owner->storm(self);
  return nullptr;
}

void Callers::storm(Caller& caller) {
  for (unsigned turn = 0; !stop_; ++turn) {
    // Its CPU may have been away, and the kernel moved it.
    if (sched_getcpu() != caller.cpu) pin_to_cpu(caller.cpu);
    const std::uint64_t window = window_.load();
    if (window % 2 == 1)
      for (int i = 0; i < kCountedCalls; ++i, ++caller.counted)
        if (const long most = syscall(SYS_sched_get_priority_max, SCHED_FIFO); most != kFifoMax)
          broken("sched_get_priority_max returned %ld", most);
    caller.seen.store(window);
    call_all(caller);
    check_vfork(static_cast<int>(turn % 100));
    ++caller.calls;
  }
}

void Callers::call_all(Caller& caller) const {
  for (int i = 0; i < kRepeat; ++i) {
    const long parent = syscall(SYS_getppid);
    if (parent != parent_) broken("getppid returned %ld, the parent is %d", parent, parent_);
    if (const long got = syscall(SYS_sched_yield); got != 0)
      broken("sched_yield returned %ld", got);
    const std::int64_t now = raw_clock();
    if (now < caller.last_ns)
      broken("the monotonic clock went back by %lld ns",
             static_cast<long long>(caller.last_ns - now));
    caller.last_ns = now;
    check_futex(&caller.futex_word);
  }
  caller.calls += kRepeat * std::uint64_t{5};
}

void Callers::open_window() {
  counted_before_ = 0;
  for (std::size_t i = 0; i < count_; ++i) counted_before_ += callers_[i].counted.load();
  ++window_;
}

std::uint64_t Callers::close_window() {
  const std::uint64_t closed = ++window_;
  std::uint64_t counted = 0;
  for (std::size_t i = 0; i < count_; ++i) {
    while (callers_[i].seen.load() != closed) sleep_us(1000);
    counted += callers_[i].counted.load();
  }
  return counted - counted_before_;
}

std::uint64_t Callers::calls() const {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < count_; ++i) sum += callers_[i].calls + callers_[i].counted;
  return sum;
}

}  // namespace ktrial::workload
