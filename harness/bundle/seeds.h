// Deterministic trials that fail against such that pass: which functions and blocks failing ones
// run more of, by a test over all of them, and where two of them part.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "harness/bundle/exact.h"
#include "harness/bundle/kept.h"
#include "harness/introspect/symbols.h"
#include "harness/stats/rate.h"
#include "harness/vm/vm.h"

namespace ktrial::bundle {

struct Seed {
  std::string run;
  const Kept* kept = nullptr;
  const results::TrialRecord* trial = nullptr;
  vm::Paths paths;
  std::uint64_t slide = 0;  // of its kernel's image, from the first failing one's: KASLR's
};

// A function's or a block's instructions, in trials of both kinds.
struct Usage {
  std::string what;
  double p = 1, q = 1;            // of the exact rank sum, two-sided; after Benjamini and Hochberg
  stats::Tally failing, passing;  // trials that ran it, of all
  double failing_median = 0, passing_median = 0;
};
struct UsageRow {
  Usage function, block;  // the block that tells most; its q is not known
};

// Of one vCPU: the first jump that is not the same in both.
struct Fork {
  unsigned cpu = 0;
  std::uint64_t jumps = 0;  // that are the same
  struct Step {
    std::uint64_t instructions = 0;
    std::string from, to;
  };
  std::optional<Step> failing, passing;  // nothing: it jumps no more
};

struct SeedsDiff {
  results::Verdict failure;
  std::vector<Seed> failing, passing;
  std::vector<std::string> left_out;  // trials, and why
  std::size_t functions = 0;
  std::vector<UsageRow> more, less;  // than passing ones, the clearest first
  std::vector<Fork> partings;        // of the first two, the earliest first
  std::string no_partings;           // why there are none
};

// Pure: by the lowest block that was run, the boot's first, which all of them run.
void find_slides(SeedsDiff& diff);
// Pure: ranks functions of the image (a module lies elsewhere with each seed), by the symbols of
// the kernel that all of them are of.
void rank_usage(const introspect::SymbolTable& symbols, SeedsDiff& diff);
// Pure: the first jumps that differ, of records that begin at `from`. `slide`: of the passing one.
std::vector<Fork> part(const std::vector<vm::Visit>& failing, const std::vector<vm::Visit>& passing,
                       const std::vector<std::uint64_t>& from,
                       const introspect::SymbolTable& symbols, std::uint64_t slide);
// Pure: per vCPU the first mark that differs, in jumps.
std::vector<std::uint64_t> first_other_marks(const vm::Paths& a, const vm::Paths& b);

// Of one run, or of several: with the paths that their trials left. Runs two of them again.
// ErrorKind::usage: not both kinds are there, or not of one kernel.
Result<SeedsDiff> diff_seeds(const std::vector<Kept>& runs, const Choices& choices,
                             const run::Sink& sink);

std::string text_of(const SeedsDiff& diff);
std::string json_of(const SeedsDiff& diff);

}  // namespace ktrial::bundle
