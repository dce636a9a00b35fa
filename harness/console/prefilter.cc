#include "harness/console/prefilter.h"

#include <algorithm>
#include <cstring>

namespace ktrial::console {

const std::vector<const char*>& candidate_patterns() {
  static const std::vector<const char*>& all = *new std::vector<const char*>{
      // heads
      "BUG", "INFO: ", "WARNING: ", "LOCKUP", "ernel panic", "panicked", "general protection",
      "divide.error", "nable to handle", "NULL pointer", "Unhandled", "Alignment trap",
      "Internal error", "\\[#", "corruption", "usercopy: ", "starved", "csd: ", "UBSAN",
      "double fault", "invalid opcode", "stack segment", "Insufficient stack", "Bad mode", "SError",
      "VFS: ", "early exception", "suspected memory", "double add", "Linux version",
      "unregister_netdevice: ", "trusty: ", "SYZF", "goroutine ", "blocked for more",
      "blocked in I/O", "reboot: ", "ooting the kernel", "early console in", "page allocation ",
      "oom-killer", "ut of memory", "NETDEV WATCH",
      // environment
      "took too", "interrupt took", "unstable", "skew", "retried", "read-back", "throttling",
      "printk mess", "tick-stop", "timer wakeup", "timer handling", "timekeeping w",
      "permanently disabled", "PMU not",
      // logcat's tags
      "WARNING : ", "INFO    : ",
      // a mail's header
      "ransfer-Encoding: ", "ransfer-encoding: ",
      // control bytes, but for the CR before a newline
      "[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f]", "\\r[^\\r\\n]"};
  return all;
}

void prepare_candidates() {
  std::vector<std::uint32_t> none;
  find_candidates("\n", false, none);
}

std::uint64_t count_newlines(std::string_view text) {
  using Lanes = unsigned char __attribute__((vector_size(16)));
  constexpr std::size_t kLanes = sizeof(Lanes);
  constexpr std::size_t kBeforeOverflow = 255;
  std::uint64_t count = 0;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (static_cast<std::size_t>(end - at) >= kLanes) {
    const std::size_t rounds =
        std::min(kBeforeOverflow, static_cast<std::size_t>(end - at) / kLanes);
    Lanes sums = {};
    for (std::size_t i = 0; i < rounds; ++i, at += kLanes) {
      Lanes lanes;
      std::memcpy(&lanes, at, kLanes);
      sums -= reinterpret_cast<Lanes>(lanes == '\n');  // true is -1
    }
    unsigned char each[kLanes];
    std::memcpy(each, &sums, kLanes);
    for (const unsigned char lane : each) count += lane;
  }
  for (; at != end; ++at) count += *at == '\n';
  return count;
}

}  // namespace ktrial::console
