// What must hold while the kernel's text is patched under running calls. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ktrial::workload {

struct ProbeCount {
  std::uint64_t hits = 0, misses = 0;
};
// tracefs kprobe_profile: one line per event, "  NAME  HITS  MISSES"
// (Documentation/trace/kprobetrace.rst). Nothing if a line is none.
std::optional<std::map<std::string, ProbeCount>> parse_kprobe_profile(std::string_view text);

// Each call of a function was either hit or missed by a probe that was enabled
// throughout. The kernel counts misses without an atomic operation, so that
// those, and only those, may be too few, by less than there are. Empty, or what
// is wrong.
std::string check_count(const std::string& probe, std::uint64_t calls, ProbeCount before,
                        ProbeCount after);

// One thing that is switched on and off, again and again.
struct Ledger {
  std::string name;
  std::uint64_t enabled = 0, disabled = 0;  // times
  std::vector<double> seconds;              // that each of its steps took
};
std::vector<std::string> check_ledgers(const std::vector<Ledger>& ledgers);

struct Times {
  std::size_t count = 0;
  double p99 = 0, longest = 0;  // seconds
};
Times times_of(const std::vector<Ledger>& ledgers);
// A hundredth of the steps may take longer than a quarter of the limit, none longer than it.
std::string check_times(const Times& times, double limit_s);

// Files of the kernel by name, with their contents.
using State = std::map<std::string, std::string>;
// A sentence for each file that does not hold what it should.
std::vector<std::string> check_state(const State& expected, const State& now);

}  // namespace ktrial::workload
