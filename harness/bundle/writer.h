// Writes a bundle of one trial of a run.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

#include "harness/bundle/manifest.h"
#include "harness/bundle/secrets.h"
#include "results/record.h"

namespace ktrial::bundle {

struct WriteOptions {
  std::optional<int> trial = {};  // see chosen_trial()
  bool kernel = true;             // false: its reference and digest alone
  bool memory = false;            // with the trial's vmcore: all that the guest held
};

// The trial of this index; nothing: the one that says most of the run, the first of the failures
// that name it, else the last. ErrorKind::usage if there is none.
Result<const results::TrialRecord*> chosen_trial(const results::RunRecord& run,
                                                 const std::optional<int>& index);

struct Written {
  Manifest manifest;        // left_out says what is not in it, and how private words were treated
  std::uint64_t bytes = 0;  // of the file
};

// `file` must not exist yet; after an error it does not. `run` is as the store loads it.
Result<Written> write_bundle(const results::RunRecord& run, const WriteOptions& options,
                             std::vector<Secret> secrets, const std::filesystem::path& file);

}  // namespace ktrial::bundle
