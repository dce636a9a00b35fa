#include "workloads/common/knobs.h"

#include <sched.h>

#include <cerrno>
#include <cstring>

#include "workloads/common/arguments.h"
#include "workloads/common/clock.h"
#include "workloads/common/threads.h"

namespace ktrial::workload {

std::vector<int> use_cpus(std::int64_t count) {
  std::vector<int> cpus = allowed_cpus();
  if (count == 0) return cpus;
  if (static_cast<std::size_t>(count) > cpus.size())
    cannot_run("cpus=%lld, there are %zu: give the machine more, or the workload fewer",
               static_cast<long long>(count), cpus.size());
  cpus.resize(static_cast<std::size_t>(count));
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int cpu : cpus) CPU_SET(cpu, &set);
  if (sched_setaffinity(0, sizeof set, &set) != 0)
    cannot_run("sched_setaffinity: %s", std::strerror(errno));
  return cpus;
}

Jitter::Jitter(std::int64_t most_us, std::int64_t seed, std::uint64_t stream)
    : most_us_(most_us), random_(static_cast<std::uint64_t>(seed) * 1'000'003 + stream) {}

std::int64_t Jitter::next_us() {
  if (most_us_ == 0) return 0;
  return static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(most_us_ + 1));
}

// A sleep gives the CPU away, a spin does not: either can hit a window.
void Jitter::pause() {
  if (most_us_ == 0) return;
  const std::int64_t us = next_us();
  if (random_() % 2 == 0)
    sleep_us(us);
  else
    spin_until(now_ns() + us * 1000);
}

}  // namespace ktrial::workload
