// The shortest honest workload: every CPU runs a thread, memory holds what was
// written, fork, exit, wait and pipes do what they promise.
#include <sched.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "workloads/common/arguments.h"
#include "workloads/common/clock.h"
#include "workloads/common/progress.h"
#include "workloads/common/threads.h"

using namespace ktrial::workload;

namespace {

std::int64_t memory_mib = 4;

void* report_cpu(void* into) {
  *static_cast<int*>(into) = sched_getcpu();
  return nullptr;
}

void touch_cpu(int cpu) {
  int seen = -1;
  pthread_join(start_thread_on(cpu, report_cpu, &seen), nullptr);
  if (seen != cpu) broken("a thread pinned to CPU %d ran on CPU %d", cpu, seen);
}

std::uint64_t pattern(std::size_t i) { return i * 0x9e3779b97f4a7c15ULL ^ 0xa5a5; }

void touch_memory() {
  const std::size_t size = static_cast<std::size_t>(memory_mib) << 20;
  void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED)
    cannot_run("mmap of %lld MiB: %s", static_cast<long long>(memory_mib), std::strerror(errno));
  auto* words = static_cast<volatile std::uint64_t*>(memory);
  const std::size_t count = size / sizeof *words;
  for (std::size_t i = 0; i < count; ++i)
    if (words[i] != 0) broken("fresh memory is not zero at word %zu", i);
  for (std::size_t i = 0; i < count; ++i) words[i] = pattern(i);
  for (std::size_t i = 0; i < count; ++i)
    if (words[i] != pattern(i)) broken("memory does not hold what was written at word %zu", i);
  munmap(memory, size);
}

// A byte goes to a child and comes back changed; the child's status is the byte.
void touch_processes(unsigned char token) {
  int there[2], back[2];
  if (pipe(there) != 0 || pipe(back) != 0) cannot_run("pipe: %s", std::strerror(errno));
  const pid_t child = fork();
  if (child < 0) cannot_run("fork: %s", std::strerror(errno));
  if (child == 0) {
    unsigned char byte = 0;
    if (read(there[0], &byte, 1) != 1) _exit(255);
    const unsigned char answer = byte ^ 0x5a;
    if (write(back[1], &answer, 1) != 1) _exit(254);
    _exit(byte);
  }
  unsigned char answer = 0;
  if (write(there[1], &token, 1) != 1 || read(back[0], &answer, 1) != 1)
    broken("a pipe to a child failed: %s", std::strerror(errno));
  if (answer != (token ^ 0x5a)) broken("a pipe carried %#x instead of %#x", answer, token ^ 0x5a);
  int status = 0;
  if (waitpid(child, &status, 0) != child) broken("waitpid: %s", std::strerror(errno));
  if (!WIFEXITED(status) || WEXITSTATUS(status) != token)
    broken("a child exited with %d but its wait status is %#x", token, status);
  for (int fd : {there[0], there[1], back[0], back[1]}) close(fd);
}

}  // namespace

int main(int argc, char** argv) {
  const double duration_s =
      parse_arguments(argc, argv, {{"memory_mib", Integer{&memory_mib, 1, 4096}}});
  const std::vector<int> cpus = allowed_cpus();
  const Deadline deadline(duration_s);
  Progress progress("passes");
  std::uint64_t passes = 0;
  const std::uint64_t total = duration_s > 0 ? 0 : 1;
  progress.report(0, total);
  do {
    for (const int cpu : cpus) touch_cpu(cpu);
    touch_memory();
    for (unsigned char token = 0; token < 8; ++token) touch_processes(token);
    progress.tick(++passes, total);
  } while (!deadline.passed());
  progress.report(passes, total);
  utsname name{};
  uname(&name);
  std::printf("smoke: Linux %s on %zu CPUs: CPUs, memory, processes and pipes work (%llu passes)\n",
              name.release, cpus.size(), static_cast<unsigned long long>(passes));
  return kHealthy;
}
