// The plan of a campaign (TOML): a spec with a matrix, a goal for each cell, a budget, and what is
// known. Format: docs/campaigns.md. All problems are told at once, "FILE:LINE: KEY: what is wrong".
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/base/result.h"
#include "harness/spec/spec.h"

namespace ktrial::spec {

// When a cell has had enough.
struct Goal {
  enum class Kind {
    none,        // never: it takes what the budget gives
    trials,      // so many that were judged
    rate_below,  // its rate of failing is below, or is surely not
    until_fail,  // the first failure
  };
  Kind kind = Kind::none;
  int trials = 0;
  double rate_below = 0;
  bool operator==(const Goal&) const = default;
};

// A failure that is no news. `signature` and `kernel` are globs, as of fnmatch(3); the latter
// for the cell's reference.
struct Known {
  std::string signature, kernel = "*";
  std::string until;  // "2027-06-30", the last day; empty: no end
  std::string link;
  std::string place;  // "FILE:LINE", for who is told that it expired
  bool operator==(const Known&) const = default;
};
bool covers(const Known& known, std::string_view signature, std::string_view kernel);
// `today`: "2027-07-01".
bool expired(const Known& known, std::string_view today);

// How kernels git:REV are built, as the flags of `ktrial run` have it.
struct PlanBuild {
  std::string tree, base_config, compiler = "gcc";
  std::vector<std::string> config;
  bool operator==(const PlanBuild&) const = default;
};

struct PlanCell {
  TrialSpec spec;  // with its axes; `repeat` is 1
  std::vector<std::string> config;
  bool operator==(const PlanCell&) const = default;
};

struct Plan {
  std::string name;                    // of all its nights
  std::optional<Milliseconds> budget;  // of a night
  std::optional<std::int64_t> max_trials;
  std::uint64_t seed = 1;  // of the order among equals
  Goal goal;
  double confidence = 0.95;
  double cold_share = 0.1;                          // of a cell's trials, that always boot
  int nights = 7;                                   // of earlier ones, that it is compared with
  int keep_per_signature = 3;                       // failures that are kept whole, and the latest
  bool keep_passes = false;                         // else only their records
  std::vector<std::string> on_new_failure, at_end;  // programs of the host; empty: none
  PlanBuild build;
  std::vector<PlanCell> cells;  // their names differ
  std::vector<Known> known;
  bool operator==(const Plan&) const = default;
};

Result<Plan> load_plan(const std::filesystem::path& path);
// The same from memory; `file` only names it in messages.
Result<Plan> parse_plan(std::string_view toml, std::string_view file);

}  // namespace ktrial::spec
