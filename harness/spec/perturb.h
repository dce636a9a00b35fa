// What disturbs the vCPUs of a parallel machine on purpose (docs/replay.md, "The amplifier"):
// values of --delay-at and --perturb. Errors are ErrorKind::usage.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "harness/base/result.h"
#include "harness/spec/spec.h"

namespace ktrial::spec {

// A place in the kernel's code at which some of a vCPU's visits take longer.
struct DelayAt {
  std::string symbol;
  std::uint64_t offset = 0;
  int most_us = 500;          // as long as this, at least a tenth of it
  double probability = .01;   // of each visit
  std::string place() const;  // "mm_get_cid+0x55"
};
// "SYMBOL[+OFFSET][:US[:P]]"
Result<DelayAt> parse_delay_at(std::string_view text);

// Now one vCPU, now another one is held from outside.
struct Holding {
  int most_us = 500;  // as long as this, at least a tenth of it
  int gap_us = 1000;  // between two of them
};
// "hold[:US[:GAP]]"
Result<Holding> parse_perturb(std::string_view text);

inline constexpr std::size_t kMaxDelays = 16;  // places of one machine
inline constexpr int kMaxDelayUs = 1'000'000;

// What stands against it in this spec, a line each; empty: nothing.
std::string perturb_problems(const TrialSpec& spec);

}  // namespace ktrial::spec
