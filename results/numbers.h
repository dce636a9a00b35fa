// What workloads counted ("rcu-storm.longest_delay_us"), over some trials.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "results/record.h"

namespace ktrial::results {

struct NumberRange {
  std::string name;
  std::size_t trials = 0;  // that told it
  std::uint64_t low = 0, median = 0, high = 0;
  std::string moved = {};  // a sentence: against nights before; or empty
  bool operator==(const NumberRange&) const = default;
};

// By name. The guest kernel's own counters are left out.
std::vector<NumberRange> numbers_of(const std::vector<Counters>& trials);
Counters numbers_of(const TrialRecord& trial);
std::vector<NumberRange> numbers_of(const RunRecord& run);

// "name 7", or "name 7 (3 to 9)" of several trials; and how it moved.
std::string to_text(const NumberRange& number);

}  // namespace ktrial::results
