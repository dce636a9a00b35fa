#include "workloads/common/threads.h"

#include <sched.h>

#include <cstring>

#include "workloads/common/arguments.h"

namespace ktrial::workload {

namespace {
constexpr std::size_t kStack = 256 * 1024;  // bytes
}

std::vector<int> allowed_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0)
    cannot_run("sched_getaffinity: %s", std::strerror(errno));
  std::vector<int> cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
  return cpus;
}

bool pin_to_cpu(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  return sched_setaffinity(0, sizeof set, &set) == 0;
}

pthread_t start_thread(void* (*body)(void*), void* argument) {
  return start_thread_on(-1, body, argument);
}

pthread_t start_thread_on(int cpu, void* (*body)(void*), void* argument) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, kStack);
  if (cpu >= 0) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    pthread_attr_setaffinity_np(&attributes, sizeof set, &set);
  }
  pthread_t thread;
  const int error = pthread_create(&thread, &attributes, body, argument);
  pthread_attr_destroy(&attributes);
  if (error) cannot_run("a thread for CPU %d would not start: %s", cpu, std::strerror(error));
  return thread;
}

}  // namespace ktrial::workload
