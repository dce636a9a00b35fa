// What many runs that belong together came to: a matrix, or trials beside each other. Plain values.
#pragma once

#include "results/record.h"

namespace ktrial::results {

struct BatchPart {
  std::string cell;              // of the matrix: "kernel=host cpus=4"; empty: there is none
  std::optional<RunRecord> run;  // nothing: no run came about
  std::string problem;           // why it is not whole; empty: it is
};

struct BatchRecord {
  std::vector<BatchPart> parts;  // in the order of the cells
  int expected = 0;              // trials asked for; 0: open-ended
  std::vector<std::string> argv;
  std::filesystem::path working_dir;
  TimePoint started_at{};
  TimePoint finished_at{};
};

// One run of all trials: numbered anew from 0, added up by overall(). It has no id, no folder and
// no spec: those are of each part. `interrupted` unless every part is whole.
RunRecord merged(const BatchRecord& batch);

}  // namespace ktrial::results
