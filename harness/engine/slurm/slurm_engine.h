// Jobs on a cluster, by its Slurm: each a task of an array, `ktrial job` on a node. What they come
// to lies in the results folder, which all nodes see. When we are killed the tasks go on and end
// by themselves; who begins again with the same id adopts them.
#pragma once

#include <filesystem>
#include <memory>

#include "harness/engine/engine.h"
#include "harness/engine/packing.h"
#include "harness/spec/fleet.h"

namespace ktrial::engine {

struct SlurmOptions {
  spec::Slurm config = {};
  std::filesystem::path results = {};  // absolute
  std::string id = {};                 // of the fleet's folder in it; a campaign's
  int at_a_time = 0;                   // tasks that the scheduler has; 0: as many as there are jobs
  // See LocalOptions.
  bool finish_first = false;
  std::function<void()> on_signal = {};
  std::function<void()> on_tick = {};
  std::function<void(const std::string&)> tell = {};  // a line: what was lost, and why
};

// Call from the main thread, before SIGINT and SIGTERM matter.
Result<std::unique_ptr<Engine>> slurm_engine(const SlurmOptions& options, Watcher watcher);

// `ktrial doctor` on some node, through the queue.
struct NodeCheck {
  std::string node, said;
  int exit = 0;
};
Result<NodeCheck> check_node(const spec::Slurm& config, const std::filesystem::path& results,
                             const std::function<void(const std::string&)>& tell);

}  // namespace ktrial::engine
