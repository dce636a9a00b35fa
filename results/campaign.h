// What a campaign came to, as plain values: its cells with their rates, the failures by
// signature, what earlier nights knew of them. harness/campaign makes one from records and
// statistics; the reports show it, and know nothing of how it came about.
//
// A night is one run of a campaign's plan. Durations are seconds, points in time UTC,
// rates probabilities in [0, 1]. Strings may hold what a guest wrote: writers escape them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "results/numbers.h"
#include "results/record.h"

namespace ktrial::results {

// Of a cell or a signature, against the nights before. Each but `clean` and `unknown` needs a
// test that says so; `why` beside it names the test. `fresh` is written "new".
enum class Standing { fresh, known, flaky, worse, better, gone, clean, unknown };
std::string_view name(Standing standing);
std::optional<Standing> parse_standing(std::string_view text);

// An interval that holds the true rate with the confidence that the campaign names.
struct RateInterval {
  double low = 0, high = 1;
  bool operator==(const RateInterval&) const = default;
};

// A trial's fact: seconds that the template took which was made for it. A machine ran in them.
inline constexpr const char* kTemplateMade = "template.made_in_s";

// One trial of a cell, for strips and distributions: small, as there may be 20,000 of them.
struct CellTrial {
  std::string run;  // id of its run; with `index` it leads to the record
  int index = 0;
  Outcome outcome = Outcome::inconclusive;
  std::optional<std::size_t> signature;  // into CampaignRecord::signatures; of a failure
  TimePoint started_at{};
  double duration_s = 0, boot_s = 0;
  bool warm = false;  // not booted: resumed from a template
};

struct CampaignCell {
  Facts axes;  // "kernel" = "host", "cpus" = "4", ...: in the plan's order
  int pass = 0, fail = 0, inconclusive = 0;
  RateInterval rate;  // of failing, among those that were judged
  Standing standing = Standing::unknown;
  std::string why;                        // a sentence: which test says so, and its numbers
  std::string goal;                       // what the plan asked of it, and whether it was reached
  std::vector<CellTrial> strip;           // in order of time
  std::vector<NumberRange> numbers = {};  // of its workload, over its trials
  int trials() const { return pass + fail + inconclusive; }
};

// A failure that the plan says is known.
struct KnownFailure {
  std::string until;  // "2027-06-30"; empty: without an end
  std::string link;
  bool expired = false;
};

// All failures that share a signature.
struct CampaignSignature {
  std::string signature, title, culprit;
  RecordedKind kind;
  int count = 0;  // in this night
  Standing standing = Standing::unknown;
  std::string why;
  std::vector<std::size_t> cells;  // into CampaignRecord::cells
  std::string
      common;  // what its cells share, as a test found: "only kernel=6.19.6 (p=0.001)"; or empty
  std::optional<KnownFailure> known;
  std::string run;  // the trial to look at first
  int index = 0;
  std::vector<int> nights;  // its failures in each of CampaignRecord::nights, same order
};

struct CampaignBudget {
  double asked_s = 0;        // 0: bounded by trials only
  double used_s = 0;         // wall time
  double vm_s = 0;           // vCPU-seconds that machines had
  double possible_vm_s = 0;  // vCPU-seconds of the host in that time
};

// One line of the table over all nights, oldest first; the last is this night.
struct NightSummary {
  std::string id;
  TimePoint started_at{};
  int pass = 0, fail = 0, inconclusive = 0;
  int fresh_signatures = 0;
};

struct CampaignRecord {
  std::string id, name;  // of this night; of the plan
  std::string plan;      // its file, as given
  RunState state = RunState::running;
  TimePoint started_at{};
  std::optional<TimePoint> finished_at;
  double confidence = 0.95;  // of all intervals
  std::vector<std::string>
      tests;  // the statistical tests that were used, and the correction for many cells
  CampaignBudget budget;
  std::vector<CampaignCell> cells;
  std::vector<CampaignSignature> signatures;  // what needs a look first comes first
  std::vector<NightSummary> nights;
  std::vector<std::string> lost;  // jobs that gave no record, and why
};

}  // namespace ktrial::results
