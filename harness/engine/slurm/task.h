// A fleet's task, on its node: takes its job, runs it, leaves its last word.
#pragma once

#include <filesystem>

#include "harness/run/run.h"
#include "harness/spec/fleet.h"

namespace ktrial::engine::slurm {

// Runs the job of a file. `sink` is told what happens, but for what comes back: how it ended.
using Work = std::function<run::Ended(const std::filesystem::path& job, const run::Sink& sink)>;

struct TaskPlace {
  std::filesystem::path job;  // FOLDER/7.json
  int attempt = 0;            // times that the scheduler put it back into its queue
  std::string node;
  std::chrono::milliseconds lease;      // without a sign of the fleet's maker: nobody waits
  std::chrono::milliseconds last_word;  // that it is tried to be written
};
// By $SLURM_RESTART_COUNT and $SLURMD_NODENAME.
TaskPlace place_of(const std::filesystem::path& job);

// An error: its last word could not be left. What the job came to is no error: the scheduler has
// nothing to say about it.
Status run_task(const TaskPlace& place, const Work& work);

// The same on a node that does not see the fleet's folder. What the job's results are to be lies in
// the courier's scratch until it is sent, and then nowhere.
Status run_far_task(const TaskPlace& place, const spec::Courier& courier, const Work& work);

}  // namespace ktrial::engine::slurm
