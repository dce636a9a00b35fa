// Which runs of a night stay whole: passes keep their records; of each signature the first N
// failures and the latest keep all, those between their console and autopsy. What was not judged
// counts by its kind.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <utility>

#include "harness/spec/plan.h"
#include "results/record.h"

namespace ktrial::campaign {

class Disk {
 public:
  explicit Disk(const spec::Plan& plan)
      : whole_(plan.keep_per_signature), keep_passes_(plan.keep_passes) {}
  // In the order in which the runs came. An error leaves more than need be, and is told.
  Status keep(const results::RunRecord& run);

 private:
  struct Kept {
    int count = 0;
    std::filesystem::path latest;  // whole only because it is the latest
  };
  int whole_;
  bool keep_passes_;
  std::map<std::string, Kept> kept_;
};

}  // namespace ktrial::campaign
