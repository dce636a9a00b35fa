#include "results/numbers.h"

#include <algorithm>
#include <map>

namespace ktrial::results {

namespace {
bool of_a_workload(const std::string& name) { return name.find('.') != std::string::npos; }
}  // namespace

std::vector<NumberRange> numbers_of(const std::vector<Counters>& trials) {
  std::map<std::string, std::vector<std::uint64_t>> values;
  for (const Counters& trial : trials)
    for (const auto& [name, value] : trial)
      if (of_a_workload(name)) values[name].push_back(value);
  std::vector<NumberRange> out;
  for (auto& [name, all] : values) {
    std::ranges::sort(all);
    out.push_back({name, all.size(), all.front(), all[(all.size() - 1) / 2], all.back(), {}});
  }
  return out;
}

Counters numbers_of(const TrialRecord& trial) {
  Counters out;
  for (const auto& number : trial.counters)
    if (of_a_workload(number.first)) out.push_back(number);
  return out;
}

std::vector<NumberRange> numbers_of(const RunRecord& run) {
  std::vector<Counters> trials;
  for (const TrialRecord& trial : run.trials) trials.push_back(numbers_of(trial));
  return numbers_of(trials);
}

std::string to_text(const NumberRange& number) {
  std::string out = number.name + " " + std::to_string(number.median);
  if (number.low != number.high)
    out += " (" + std::to_string(number.low) + " to " + std::to_string(number.high) + ")";
  if (!number.moved.empty()) out += ": " + number.moved;
  return out;
}

}  // namespace ktrial::results
