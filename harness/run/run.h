// Many trials of one spec: a run, from a spec to a record in the store.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "harness/base/result.h"
#include "harness/kernel/kernel.h"
#include "harness/spec/spec.h"
#include "harness/trial/observer.h"
#include "results/record.h"

namespace ktrial::run {

struct RunOptions {
  std::filesystem::path results;               // the store's folder
  std::vector<std::string> argv;               // what re-runs it
  bool offline = false;                        // no downloads
  std::optional<std::filesystem::path> cache;  // default: kernel::default_cache_dir()
  kernel::BuildRequest git = {};               // of git:REV, see kernel::ResolveOptions
  int at_once = 1;  // runs like this on the host at the same time, as far as known
  // A guest that is well is looked into, too, before it powers off: facts introspection.*.
  bool introspect = false;
  int boots = 1;    // of a trial, under TCG: 2 tries once more when the guest was lost at boot
  // Told after each committed trial.
  std::function<void(const results::TrialRecord&)> on_trial;
};

// Blocks. SIGINT and SIGTERM end the running trial, commit what is known and
// yield ErrorKind::interrupted. An Error means that ktrial could not do its
// work; a kernel's failure is in the record.
Result<results::RunRecord> run_trials(const spec::TrialSpec& spec, const RunOptions& options,
                                      trial::Observer& observer);

}  // namespace ktrial::run
