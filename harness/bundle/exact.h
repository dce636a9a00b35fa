// A deterministic trial once more: whether it is the same bit for bit, and what it shows there.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "harness/bundle/job.h"
#include "harness/bundle/kept.h"
#include "harness/bundle/look.h"
#include "harness/run/event.h"

namespace ktrial::bundle {

struct ExactReplay {
  int trial = 0;
  results::Verdict then;
  results::Determinism was, is;
  std::string parted;  // what differs first; empty: identical
  double seconds = 0;
  std::string folder;              // what the last of its runs left
  std::vector<std::string> pages;  // of the look: for people
};

// Refuses what could not be the same run: another kernel file, initramfs or QEMU. Blocks as
// run_job() does. Looks only where the run is the same.
Result<ExactReplay> replay_exact(const Kept& kept, const results::TrialRecord& trial,
                                 const Choices& choices, const Look& look, const run::Sink& sink);

// The same, with each vCPU's jumps from there on (vm::Exact::jumps_from), and what the kernel's
// symbols are. ErrorKind::environment: it is not the same run.
struct Way {
  Map map;
  std::vector<vm::Visit> jumps;
};
Result<Way> replay_way(const Kept& kept, const results::TrialRecord& trial, const Choices& choices,
                       const std::vector<std::uint64_t>& from, const run::Sink& sink);

std::string text_of(const ExactReplay& replay, const std::string& source);
std::string json_of(const std::vector<ExactReplay>& replays, const std::string& source);

}  // namespace ktrial::bundle
