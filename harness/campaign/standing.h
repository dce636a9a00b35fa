// What a night says against the nights before: new, known, flaky, worse, better, gone. Pure.
//
// Rates are compared by Boschloo's exact test with the latest nights, pooled; p-values are
// corrected by Holm over all comparisons of the night, at 1 %: a wrong alarm in a hundred nights. A
// signature that no earlier night has seen needs no test: it is new.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "harness/spec/plan.h"
#include "harness/stats/rate.h"
#include "results/campaign.h"

namespace ktrial::campaign {

inline constexpr double kAlarm = 0.01;  // the chance of a wrong alarm in a night

struct SeenCell {
  int pass = 0, fail = 0, inconclusive = 0;
  std::map<std::string, int> signatures;                           // of its failures
  double seconds = 0;                                              // of all its trials
  std::map<std::string, std::vector<std::uint64_t>> numbers = {};  // of its workload, some trials'
  stats::Tally judged() const { return {fail, pass + fail}; }
  int trials() const { return pass + fail + inconclusive; }
  bool operator==(const SeenCell&) const = default;
};
struct Seen {
  std::string id;
  results::TimePoint started_at{};
  std::map<std::string, SeenCell> cells;  // by their names
  // All failures of the signature, and all trials that were judged.
  stats::Tally of(const std::string& signature) const;
};

struct Judgement {
  results::Standing standing = results::Standing::unknown;
  std::string why;
};
struct Standings {
  std::map<std::string, Judgement> cells, signatures;
  std::vector<std::string> tests;  // that were used, for the report
};

struct Before {
  std::span<const Seen> nights;             // to compare with, oldest first
  std::map<std::string, std::string> ever;  // signature -> the first night that saw it
  double confidence = 0.95;                 // of "rate < x"
};

// `known(signature, cell)`: the plan says so, and it has not expired.
Standings stand(
    const Seen& tonight, const Before& before,
    const std::function<bool(const std::string& signature, const std::string& cell)>& known);

}  // namespace ktrial::campaign
