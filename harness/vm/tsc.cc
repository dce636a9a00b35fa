#include "harness/vm/tsc.h"

#include <chrono>
#include <thread>

#if defined(__x86_64__) || defined(__i386__)
#include <x86intrin.h>
#endif

namespace ktrial::vm {

unsigned host_tsc_khz() {
#if defined(__x86_64__) || defined(__i386__)
  using Clock = std::chrono::steady_clock;
  const auto begin = Clock::now();
  const unsigned long long first = __rdtsc();
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  const unsigned long long last = __rdtsc();
  const double ms = std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
  return static_cast<unsigned>(static_cast<double>(last - first) / ms);
#else
  return 0;
#endif
}

}  // namespace ktrial::vm
