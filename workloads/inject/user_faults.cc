#include "workloads/inject/user_faults.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>

#include "workloads/common/arguments.h"

namespace ktrial::workload {
namespace {

// The agent must outlive us: be the one that the kernel chooses.
void be_first_to_be_killed() {
  const int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  if (fd < 0 || write(fd, "1000", 4) != 4)
    cannot_run("/proc/self/oom_score_adj: %s", std::strerror(errno));
  close(fd);
}

void write_line(int fd, const std::string& line) {
  while (write(fd, line.data(), line.size()) < 0)
    if (errno != EINTR && errno != EAGAIN) cannot_run("/dev/kmsg: %s", std::strerror(errno));
}

}  // namespace

void eat_all_memory() {
  be_first_to_be_killed();
  constexpr std::size_t kBlock = 4u << 20;
  for (;;) {
    void* memory =
        mmap(nullptr, kBlock, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) continue;  // it is refused, not killed for: ask again
    std::memset(memory, 0x5a, kBlock);
  }
}

void crash_kernel() {
  const int fd = open("/proc/sysrq-trigger", O_WRONLY | O_CLOEXEC);
  if (fd < 0 || write(fd, "c", 1) != 1) cannot_run("/proc/sysrq-trigger: %s", std::strerror(errno));
}

void crash() {
  signal(SIGSEGV, SIG_DFL);
  volatile int* volatile nowhere = nullptr;
  *nowhere = 1;
  _exit(kBroken);
}

void flood_console(std::int64_t lines) {
  const int fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
  if (fd < 0) cannot_run("/dev/kmsg: %s", std::strerror(errno));
  for (std::int64_t i = 1; i < lines; ++i) {
    std::string line = "<6>ktrial flood: line " + std::to_string(i) + " ";
    line.append(line.size() < 80 ? 80 - line.size() : 0, '.');
    write_line(fd, line);
  }
  write_line(fd, "<6>ktrial flood: the last of " + std::to_string(lines) + " lines");
  close(fd);
}

}  // namespace ktrial::workload
