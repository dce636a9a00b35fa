#include "workloads/cpuacct/actors.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <utility>

#include "workloads/common/arguments.h"
#include "workloads/common/clock.h"

namespace ktrial::cpuacct {
namespace {

using workload::broken;
using workload::cannot_run;
using workload::now_ns;

constexpr std::size_t kRead = 64 * 1024;
constexpr std::int64_t kChildSpin = 500'000;  // ns
constexpr std::int64_t kSlice = 1'000'000;    // ns between two looks at the CPU clock

std::uint64_t cpu_ns() {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(t.tv_nsec);
}

void read_zero() {
  static char buffer[kRead];
  static const int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
  if (fd < 0) cannot_run("/dev/zero: %s", std::strerror(errno));
  for (const std::int64_t end = now_ns() + kSlice; now_ns() < end;)
    if (read(fd, buffer, sizeof buffer) != static_cast<ssize_t>(sizeof buffer))
      broken("read of /dev/zero: %s", std::strerror(errno));
}

void reap(pid_t child) {
  int status = 0;
  while (waitpid(child, &status, 0) < 0)
    if (errno != EINTR) broken("waitpid of a forked child: %s", std::strerror(errno));
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 7)
    broken("a child that exits with 7 has wait status %#x", status);
}

void fork_one() {
  const pid_t child = fork();
  if (child < 0 && errno != EAGAIN) broken("fork: %s", std::strerror(errno));
  if (child < 0) return;
  if (child == 0) {
    workload::spin_until(now_ns() + kChildSpin);
    _exit(7);
  }
  reap(child);
}

void vfork_one() {
  const pid_t child = vfork();
  if (child < 0 && errno != EAGAIN) broken("vfork: %s", std::strerror(errno));
  if (child == 0) {
    workload::spin_until(now_ns() + kChildSpin);
    _exit(7);
  }
  if (child > 0) reap(child);
}

void one_slice(Act act) {
  if (act == Act::zero) return read_zero();
  if (act == Act::forks) return fork_one();
  if (act == Act::vforks) return vfork_one();
  workload::spin_until(now_ns() + kSlice);
}

[[noreturn]] void perform(Act act, std::uint64_t burn_ns, int start_fd,
                          std::atomic<std::uint64_t>* before) {
  char token = 0;
  before[0] = cpu_ns();
  if (read(start_fd, &token, 1) != 1) _exit(workload::kCannotRun);  // our parent is gone
  before[1] = cpu_ns();
  const std::int64_t give_up = now_ns() + static_cast<std::int64_t>(6 * burn_ns);
  const bool children = act == Act::forks || act == Act::vforks;  // their time is not in our clock
  const std::int64_t end = now_ns() + static_cast<std::int64_t>(burn_ns);
  while (act == Act::endless || now_ns() < (children ? end : give_up)) {
    if (!children && act != Act::endless && cpu_ns() - before[1] >= burn_ns) break;
    one_slice(act);
  }
  _exit(workload::kHealthy);
}

std::uint64_t in_ns(const timeval& t) {
  return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(t.tv_usec) * 1000;
}

}  // namespace

Actor::Actor(Act act, std::uint64_t burn_ns) : act_(act) {
  void* memory =
      mmap(nullptr, 2 * sizeof *before_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  int ends[2];
  if (memory == MAP_FAILED || pipe2(ends, O_CLOEXEC) != 0)
    cannot_run("memory or a pipe for a process: %s", std::strerror(errno));
  before_ = new (memory) std::atomic<std::uint64_t>[2];
  start_fd_ = ends[1];
  const pid_t parent = getpid();
  pid_ = fork();
  if (pid_ < 0) cannot_run("fork: %s", std::strerror(errno));
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(workload::kCannotRun);
    close(ends[1]);
    perform(act, burn_ns, ends[0], before_);
  }
  close(ends[0]);
}

Actor::Actor(Actor&& other) noexcept
    : act_(other.act_),
      pid_(std::exchange(other.pid_, -1)),
      start_fd_(std::exchange(other.start_fd_, -1)),
      killed_(other.killed_),
      reaped_(other.reaped_),
      before_(other.before_),
      least_ns_(other.least_ns_),
      most_ns_(other.most_ns_) {}

void Actor::start() {
  if (write(start_fd_, "s", 1) != 1) broken("a process that waits for its start is gone");
  close(start_fd_);
}

void Actor::kill() {
  killed_ = true;
  if (::kill(pid_, SIGKILL) != 0)
    broken("kill: the endless process is gone: %s", std::strerror(errno));
}

bool Actor::ended() {
  if (reaped_) return true;
  int status = 0;
  rusage usage{};
  const pid_t got = wait4(pid_, &status, WNOHANG, &usage);
  if (got == 0 || (got < 0 && errno == EINTR)) return false;
  if (got != pid_) broken("wait4 of process %d: %s", pid_, std::strerror(errno));
  reaped_ = true;
  if (WIFEXITED(status) && WEXITSTATUS(status) != workload::kHealthy) _exit(WEXITSTATUS(status));
  const bool by_kill = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
  if (killed_ != by_kill) broken("process %d ended with wait status %#x", pid_, status);
  const std::uint64_t all = in_ns(usage.ru_utime) + in_ns(usage.ru_stime);
  most_ns_ = all > before_[0] ? all - before_[0] : 0;
  least_ns_ = all > before_[1] ? all - before_[1] : 0;
  munmap(before_, 2 * sizeof *before_);
  return true;
}

}  // namespace ktrial::cpuacct
