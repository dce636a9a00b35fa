#include "harness/engine/slurm/builds.h"

namespace ktrial::engine::slurm {
namespace {

How why_not(const run::Job& job, const run::Made& made) {
  Error error{ErrorKind::usage, job.spec.kernel + " was not built: " + made.problem};
  if (!made.log.empty()) error.hint = "the build's log: " + made.log.string();
  return Finished{129, error};
}

}  // namespace

// All that a build depends on.
std::string Builds::key_of(const run::Job& job) {
  run::Job same;
  same.spec.kernel = job.spec.kernel;
  same.build = job.build;
  same.cache = job.cache;
  same.working_dir = job.working_dir;
  return run::to_json(same);
}

Builds::Next Builds::take(JobId id, run::Job job, const std::filesystem::path& cache) {
  Next out;
  const bool is_git = job.spec.kernel.starts_with("git:");
  // A folder that all nodes see: what one builds there, the others boot.
  if (is_git) job.cache = cache;
  if (!is_git || job.kernel_only) {
    out.submit = Ready{id, std::move(job)};
    return out;
  }
  One& one = builds_[key_of(job)];
  if (one.made && !one.made->kernel.empty()) {
    job.spec.kernel = one.made->kernel;
    out.submit = Ready{id, std::move(job)};
  } else if (one.made) {
    out.failed = Failed{id, why_not(job, *one.made)};
  } else {
    if (one.build == 0) {
      run::Job making = job;
      making.kernel_only = true;
      making.spec.repeat = 1;
      one.build = next_++;
      out.submit = Ready{one.build, std::move(making)};
    }
    one.waiting.push_back({id, std::move(job)});
    ++waiting_;
  }
  return out;
}

Builds::Came Builds::done(JobId build, const How& how, const std::optional<run::Made>& made) {
  Came out;
  for (auto it = builds_.begin(); it != builds_.end(); ++it) {
    One& one = it->second;
    if (one.build != build) continue;
    one.made = made;
    waiting_ -= static_cast<int>(one.waiting.size());
    for (Ready& job : std::exchange(one.waiting, {})) {
      if (!made) {
        out.failed.push_back({job.id, how});
      } else if (made->kernel.empty()) {
        out.failed.push_back({job.id, why_not(job.job, *made)});
      } else {
        job.job.spec.kernel = made->kernel;
        out.ready.push_back(std::move(job));
      }
    }
    if (!made) builds_.erase(it);  // the next one tries again
    break;
  }
  return out;
}

bool Builds::cancel(JobId id) {
  for (auto& [key, one] : builds_)
    if (std::erase_if(one.waiting, [id](const Ready& job) { return job.id == id; }) > 0) {
      --waiting_;
      return true;
    }
  return false;
}

}  // namespace ktrial::engine::slurm
