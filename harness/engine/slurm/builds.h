// Kernels of git's, built once for the fleet: a job that needs one waits for a job that makes it.
// Pure.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "harness/engine/engine.h"

namespace ktrial::engine::slurm {

class Builds {
 public:
  struct Ready {
    JobId id = 0;
    run::Job job;
  };
  struct Failed {
    JobId id = 0;
    How how;
  };
  // What has to be done with `job`, now.
  struct Next {
    std::optional<Ready> submit;  // the job itself, or one that makes its kernel: is_build()
    std::optional<Failed> failed;
  };
  Next take(JobId id, run::Job job, const std::filesystem::path& cache);
  static bool is_build(JobId id) { return id >= kFirst; }

  // The end of one that is_build(): jobs that go on, and those that cannot.
  struct Came {
    std::vector<Ready> ready;
    std::vector<Failed> failed;
  };
  Came done(JobId build, const How& how, const std::optional<run::Made>& made);
  // A job that waits for its kernel. False: there is none.
  bool cancel(JobId id);
  bool idle() const { return waiting_ == 0; }

 private:
  static constexpr JobId kFirst = JobId{1} << 62;
  struct One {
    JobId build = 0;
    std::vector<Ready> waiting = {};
    std::optional<run::Made> made = {};
  };
  static std::string key_of(const run::Job& job);
  std::map<std::string, One> builds_;
  JobId next_ = kFirst;
  int waiting_ = 0;
};

}  // namespace ktrial::engine::slurm
