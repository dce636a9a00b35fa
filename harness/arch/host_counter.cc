#include "harness/arch/host_counter.h"

#include <chrono>
#include <thread>

#if defined(__x86_64__) || defined(__i386__)
#include <x86intrin.h>
#endif

namespace ktrial::arch {

#if defined(__x86_64__) || defined(__i386__)
namespace {
using Clock = std::chrono::steady_clock;

struct Reading {
  Clock::time_point time;
  unsigned long long tsc = 0;
};

// Clock and counter at the same moment: of several tries the one with the least
// between, so that being scheduled away in the middle does no harm.
Reading read_both() {
  Reading best;
  unsigned long long gap = ~0ull;
  for (int i = 0; i < 50; ++i) {
    const unsigned long long before = __rdtsc();
    const auto time = Clock::now();
    const unsigned long long after = __rdtsc();
    if (after - before >= gap) continue;
    gap = after - before;
    best = {time, before + gap / 2};
  }
  return best;
}
}  // namespace
#endif

unsigned host_counter_khz() {
#if defined(__x86_64__) || defined(__i386__)
  const Reading first = read_both();
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  const Reading last = read_both();
  const double ms = std::chrono::duration<double, std::milli>(last.time - first.time).count();
  return static_cast<unsigned>(static_cast<double>(last.tsc - first.tsc) / ms);
#else
  return 0;
#endif
}

}  // namespace ktrial::arch
