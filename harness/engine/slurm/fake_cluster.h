// A made-up scheduler with nodes, and the folder that they share, in virtual time: for tests of
// what decides. Some nodes are not well, some tasks have bad luck.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <random>
#include <set>

#include "harness/engine/slurm/cluster.h"

namespace ktrial::engine::slurm {

class FakeCluster final : public Cluster, public Spool {
 public:
  enum class Health {
    well,
    black_hole,  // ends each task at once, without a word
    broken,      // each job says that it cannot work there
    flaky,       // loses every second task
  };
  struct Options {
    int nodes = 1, cpus = 8;
    std::map<int, Health> ill = {};
    double bad_luck = 0;  // of a task: lost before, or after, its trial was committed, or requeued
    double late_files = 0;   // seconds, until a last word is seen
    double forgets_s = 300;  // what is over
    unsigned seed = 1;
  };
  explicit FakeCluster(Options options);

  // A job takes spec.duration, on spec.cpus. `committed` is called when its trial is.
  std::function<void(const run::Job&)> committed;
  void advance(double now);
  double now() const { return now_; }

  // What happens to a scheduler.
  bool answers = true, refuses = false;
  void end(const std::string& array, int index, const std::string& word);  // a task, without a word
  // The task's own word, before the scheduler's.
  void interrupt(const std::string& array, int index, int exit = 130,
                 std::optional<Error> error = {});
  void forget(const std::string& array);  // but for the accounts
  void node_down(int node);
  Health& health(int node) { return nodes_[static_cast<std::size_t>(node)].health; }

  double used_vcpu_s() const { return used_; }
  int running() const { return static_cast<int>(ends_.size()); }
  std::size_t kept() const { return arrays_.size() + shards_.size(); }
  std::vector<std::string> cancelled;
  std::map<std::string, std::vector<Sight>> accounts;
  std::vector<Array> seen;  // of the last hundred

  Result<std::string> submit(const Array& array) override;
  Result<std::map<std::string, std::vector<Sight>>> poll(
      const std::vector<std::string>& arrays) override;
  std::map<std::string, std::vector<Sight>> recall() override { return accounts; }
  Status cancel(const std::vector<std::string>& ids, bool waiting_only) override;
  Status avoid(const std::vector<std::string>& arrays,
               const std::vector<std::string>& nodes) override;
  Result<std::vector<std::string>> arrays_of(const Shard& shard) override;

  Result<Shard> put(const std::vector<const run::Job*>& jobs) override;
  Status submitted(const Shard& shard, const std::string& array) override;
  std::vector<int> ended(const Shard& shard) override;
  Told told(const Task& task) override;
  bool withdraw(const Task& task) override;
  void drop(const Shard& shard) override;
  void keep_lease() override {}
  std::vector<Left> left() override;

 private:
  struct Node {
    int free = 0;
    Health health = Health::well;
    int turns = 0;
    bool down = false;
  };
  struct One {  // a task
    Sight sight;
    std::optional<std::size_t> node;
    std::uint64_t stay = 0;  // which of its runs this is
    double over_at = 0;
  };
  struct Running {
    std::string array;
    int index = 0;
    std::uint64_t stay = 0;
    enum class Fate { well, lost, lost_late, requeued, broken } fate = Fate::well;
  };
  struct File {
    run::Job job;
    Told told;
    bool withdrawn = false, said = false;
  };
  struct Folder {
    std::string array;
    std::map<int, File> files;
    std::vector<std::pair<double, int>> words;  // last ones, and when they are seen
  };
  struct Known {
    Array array;
    std::set<std::string> avoid;
    std::map<int, One> tasks;
  };

  void start_what_fits();
  bool start(const std::string& id, Known& known, int index);
  void over(const Running& running);
  void close(Known& known, One& one, const std::string& word);
  static std::string name_of(std::size_t node) { return "n" + std::to_string(node); }

  Options options_;
  std::mt19937 random_;
  double now_ = 0, used_ = 0;
  std::vector<Node> nodes_;
  std::map<std::string, Known> arrays_;
  std::map<Shard, Folder> shards_;
  std::deque<std::pair<std::string, int>> queue_;
  std::multimap<double, Running> ends_;
  std::deque<std::pair<double, std::string>> forget_;
  std::uint64_t last_ = 0, stays_ = 0;
  int smallest_ = 1 << 20;  // vCPUs that were ever asked for
};

}  // namespace ktrial::engine::slurm
