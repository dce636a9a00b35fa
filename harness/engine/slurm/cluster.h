// What the fleet's decisions need of the world: a scheduler, and a folder that all its nodes see.
// Real ones are commands.h and spool.h; for tests, fake_cluster.h.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "harness/base/result.h"
#include "harness/engine/engine.h"

namespace ktrial::engine::slurm {

// What a task asks of its node. Tasks of one array ask the same.
struct Ask {
  int vcpus = 1;
  std::int64_t memory_mib = 0;
  int minutes = 0;              // until the scheduler ends it; 0: as the partition has it
  std::string constraint = {};  // a feature that the node has; may be empty
  auto operator<=>(const Ask&) const = default;
};

// A folder of job files, 0 to tasks - 1; handed over as one array.
using Shard = std::string;  // its name
struct Task {
  Shard shard;
  int index = 0;
  auto operator<=>(const Task&) const = default;
};

struct Array {
  Shard shard;
  int tasks = 0;
  Ask ask;
  std::vector<std::string> avoid = {};  // nodes
};

// A task in the scheduler's words.
struct Sight {
  enum class State { waiting, running, over };
  int index = 0;
  State state = State::waiting;
  std::string word;  // "NODE_FAIL", "TIMEOUT": its own
  std::string node = {};
};

class Cluster {
 public:
  virtual ~Cluster() = default;
  // The scheduler's id of the array. Whether it is refused or the scheduler does not answer, an
  // error says the same: see poll().
  virtual Result<std::string> submit(const Array& array) = 0;
  // All arrays at once, by their ids. A task that the scheduler has forgotten is not among them.
  // With no array: does it answer?
  virtual Result<std::map<std::string, std::vector<Sight>>> poll(
      const std::vector<std::string>& arrays) = 0;
  // What it keeps of tasks that are over and forgotten; nothing where it keeps nothing.
  virtual std::map<std::string, std::vector<Sight>> recall() = 0;
  // Arrays, or tasks "ARRAY_INDEX"; `waiting_only`: those that have not begun.
  virtual Status cancel(const std::vector<std::string>& ids, bool waiting_only) = 0;
  // No task of these arrays that has not begun goes to one of the nodes.
  virtual Status avoid(const std::vector<std::string>& arrays,
                       const std::vector<std::string>& nodes) = 0;
  // The arrays of a shard, found by its name: of a process that was killed before it kept the id.
  virtual Result<std::vector<std::string>> arrays_of(const Shard& shard) = 0;
};

// What a task left of itself in its folder.
struct Told {
  bool begun = false;          // it took its job
  std::optional<int> exit;     // it came to its end, and said so
  std::optional<Error> error;  // then
  bool abandoned = false;      // it never took its job: nobody waited for it any more
  int trials = 0;              // that are committed
  std::string run = {};        // its run in the store; may be empty
  std::string node = {};
  std::string last_words = {};  // what it wrote to stderr, its last line
};

class Spool {
 public:
  virtual ~Spool() = default;
  // Tasks 0, 1, ... of a new shard.
  virtual Result<Shard> put(const std::vector<const run::Job*>& jobs) = 0;
  // The scheduler has it, under this id.
  virtual Status submitted(const Shard& shard, const std::string& array) = 0;
  // Tasks that said their last word since the last call.
  virtual std::vector<int> ended(const Shard& shard) = 0;
  virtual Told told(const Task& task) = 0;
  // Nobody takes its job any more. False: somebody did, before.
  virtual bool withdraw(const Task& task) = 0;
  // Nothing of it is needed any more.
  virtual void drop(const Shard& shard) = 0;
  // Somebody waits for these tasks.
  virtual void keep_lease() = 0;

  struct Left {  // of an earlier process
    Shard shard;
    std::string array;                           // empty: it kept no id
    std::vector<std::pair<int, run::Job>> open;  // tasks without a last word
  };
  virtual std::vector<Left> left() = 0;
};

}  // namespace ktrial::engine::slurm
