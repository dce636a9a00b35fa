// Who runs jobs. Whoever wants many trials makes jobs, hands them over and takes back what came of
// them, in any order. An engine knows what runs where and what came back, nothing of verdicts.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <variant>

#include "harness/base/error.h"
#include "harness/run/event.h"
#include "harness/run/job.h"
#include "results/record.h"

namespace ktrial::engine {

using JobId = std::uint64_t;  // of one engine, from 1

// The job came to its end, and said so. With an error it could not do its work.
struct Finished {
  int exit = 0;  // of `ktrial job`
  std::optional<Error> error = {};
};
// It ended without a last word (killed, crashed), or what it said made no sense.
struct Lost {
  std::string reason;
};
// By cancel(), or because we were told to end (SIGINT, SIGTERM): before it began, or in its midst.
struct Cancelled {};
using How = std::variant<Finished, Lost, Cancelled>;

struct Done {
  JobId job = 0;
  How how;
  // What the store has of it: the run with all trials that were committed, however it ended.
  // Nothing if no run came about.
  std::optional<results::RunRecord> record = {};
  std::optional<run::Made> made = {};  // of a job that only makes its kernel
};

// Hears what jobs tell; called from next().
using Watcher = std::function<void(JobId, const run::Event&)>;

class Engine {
 public:
  virtual ~Engine() = default;
  // Never blocks: the job begins when there is room.
  virtual JobId submit(run::Job job) = 0;
  // Blocks until a job is done; each is told once. Nothing: no job is left. After SIGINT or SIGTERM
  // all jobs end as Cancelled, and so does what is submitted from then on.
  virtual std::optional<Done> next() = 0;
  // The job ends soon, as Cancelled if it does not end otherwise before. One that is done, or not
  // known, is passed over.
  virtual void cancel(JobId job) = 0;
};

}  // namespace ktrial::engine
