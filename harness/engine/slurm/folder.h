// The folder that a fleet's nodes and its maker share, below the results folder. By the rules of
// NFS: files appear by rename, nothing is locked.
//
//   fleet/ID/alive              its age says whether somebody waits
//   fleet/ID/s0001/task.sh      what the scheduler runs
//   fleet/ID/s0001/array        the scheduler's id
//   fleet/ID/s0001/7.json       a job; .taken once its task has it, .withdrawn when none may
//   fleet/ID/s0001/7.0.events   what it tells (run/event.h); 1 after it was put back once, ...
//   fleet/ID/s0001/7.end        its last word
//   fleet/ID/s0001/7.out        stderr
//   fleet/ID/s0001/7.tar        its runs and events, of a node that does not see the folder
//   (courier.h)
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <set>

#include "harness/engine/slurm/cluster.h"
#include "harness/spec/fleet.h"

namespace ktrial::engine::slurm {

namespace names {
std::filesystem::path job(const std::filesystem::path& shard, int index);
std::filesystem::path taken(const std::filesystem::path& shard, int index);
std::filesystem::path events(const std::filesystem::path& shard, int index, int attempt);
std::filesystem::path end(const std::filesystem::path& shard, int index);
std::filesystem::path out(const std::filesystem::path& shard, int index);
std::filesystem::path package(const std::filesystem::path& shard, int index);
inline constexpr char kAlive[] = "alive", kArray[] = "array", kScript[] = "task.sh";
}  // namespace names

// The task's last word.
struct LastWord {
  int exit = 0;
  bool abandoned = false;
  std::string node;
};
std::string to_json(const LastWord& word);
std::optional<LastWord> last_word_from(std::string_view json);

// What a task left, from its files.
Told told_in(const std::filesystem::path& shard, int index);

class Folder final : public Spool {
 public:
  // `program`: ktrial's path on the nodes. `folder` is made when there is something to put there.
  // With a courier nodes do not see it: their runs are taken into the store, whose fleet/ID it is.
  Folder(std::filesystem::path folder, std::string program, spec::Courier courier = {});
  ~Folder() override;  // removes the folder, if nothing is in it that is needed

  const std::filesystem::path& path() const { return folder_; }
  Result<Shard> put(const std::vector<const run::Job*>& jobs) override;
  Status submitted(const Shard& shard, const std::string& array) override;
  std::vector<int> ended(const Shard& shard) override;
  Told told(const Task& task) override;
  bool withdraw(const Task& task) override;
  void drop(const Shard& shard) override;
  void keep_lease() override;
  std::vector<Left> left() override;

  // Events that the task told since the last call.
  void hear(const Task& task, const run::Sink& sink);

 private:
  bool came_to_its_end(const Shard& shard, int index);

  struct Hearing {
    int attempt = 0;
    std::uint64_t offset = 0;
    std::unique_ptr<run::EventReader> reader;
    run::Sink sink;
  };
  std::filesystem::path folder_;
  std::string program_;
  spec::Courier courier_;
  std::map<Shard, std::set<int>> ended_;
  std::map<Task, Error> not_taken_in_;
  std::map<Task, Hearing> hearings_;
  int last_ = 0;
};

}  // namespace ktrial::engine::slurm
