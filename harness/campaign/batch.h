// Many jobs, and what they come to together: the cells of a matrix, or the trials of one spec
// beside each other. Decides what is submitted and when it is enough; an engine runs it.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "harness/engine/engine.h"
#include "results/batch.h"

namespace ktrial::campaign {

struct BatchOptions {
  // Each trial is a job of its own, so that they can run beside each other; false: each cell is.
  bool split = false;
  int window = 64;  // jobs that the engine has at a time, at most
  // A job is handed over, or done; `part` is a line about the end.
  std::function<void(engine::JobId, const run::Job&)> on_begin = {};
  std::function<void(engine::JobId, const results::BatchPart&)> on_done = {};
};

struct BatchOutcome {
  results::BatchRecord record;  // of all that was committed
  // What kept it from being whole. An interruption comes before other errors, of those the first by
  // the order of the cells: a job that is lost is one, too (ErrorKind::environment).
  std::optional<Error> error;
};

// One job a cell. An error of one is no reason to leave out the others. With until_fail a cell ends
// with its first failure.
BatchOutcome run_batch(engine::Engine& engine, const std::vector<run::Job>& cells,
                       const BatchOptions& options);

}  // namespace ktrial::campaign
