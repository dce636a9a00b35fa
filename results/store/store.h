// Where runs are kept. Below the results folder:
//
//   runs/ID/run.json                what was asked, how it ended
//   runs/ID/trials/000/verdict.json one finished trial
//   runs/ID/trials/000/...          its artifacts: console.log, events.jsonl, qemu.sh, ...
//   index.db                        SQLite over all runs: a cache
//
// The JSON files are the truth. Each is replaced in one step, so a process that
// is killed at any point leaves a trial committed (verdict.json is there, whole)
// or not at all. The index is rebuilt from them when it is missing, corrupt or
// behind, and its loss is never an error. Many processes may share one folder.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "harness/base/result.h"
#include "results/record.h"
#include "results/store/summary.h"

namespace ktrial::results {

class Index;

// A run that this process is making. On destruction without finish() the run is
// finished as interrupted, with what was committed. Not for several threads.
class RunDir {
 public:
  RunDir(RunDir&&) noexcept;
  RunDir& operator=(RunDir&&) = delete;
  ~RunDir();

  const std::string& id() const { return record_.id; }
  const std::filesystem::path& path() const { return record_.directory; }
  // With the trials so far; outcome and the rest are set by finish().
  const RunRecord& record() const { return record_; }

  // The trial's folder, made if need be; its artifacts go there.
  Result<std::filesystem::path> begin_trial(int index);
  // Commits the trial: from its return on the record survives anything. Sets
  // `artifacts`, and `signature` if the trial failed and has none.
  Status add_trial(TrialRecord trial);
  // Facts of host and program, written with the next run.json.
  void set_facts(Facts facts) { record_.facts = std::move(facts); }
  // As if the run had never begun: for one that could not make its first trial.
  void discard();
  // Adds the trials up by overall() and writes run.json.
  Status finish(RunState state = RunState::finished);

 private:
  friend class Store;
  RunDir(RunRecord record, std::shared_ptr<Index> index);
  RunRecord record_;
  std::shared_ptr<Index> index_;
  bool open_ = true;
};

class Store {
 public:
  // $XDG_STATE_HOME/ktrial, else ~/.local/state/ktrial.
  static std::filesystem::path default_dir();
  // Makes the folder if need be. A folder that is only readable is fine for
  // find(), load() and list(). `indexed`: no for one of many hosts that write there; who reads
  // brings the index up to date.
  static Result<Store> open(std::filesystem::path dir = default_dir(), bool indexed = true);

  const std::filesystem::path& dir() const { return dir_; }

  // A new run of this process, on disk when it returns. `argv` is what re-runs it.
  Result<RunDir> begin_run(SpecSummary spec, std::vector<std::string> argv,
                           Membership part_of = {});
  // The folder of a run: `ref` is an id, the beginning of exactly one id, a run's
  // folder, or "last" (the latest begun). ErrorKind::usage if there is none.
  Result<std::filesystem::path> find(std::string_view ref) const;
  // The record with all its committed trials. A run that is `running` on disk
  // but whose process is gone comes back as interrupted, its trials added up.
  Result<RunRecord> load(std::string_view ref) const;
  // Ends the record of a run that nobody makes any more, e.g. because its host is gone, with
  // what was committed. ErrorKind::usage if it is over already, or if its process is alive here.
  Result<RunRecord> declare_dead(std::string_view ref) const;
  // All runs of a campaign that began at `since` or later, oldest first; unreadable ones are left
  // out. Reads the files: these are the truth.
  std::vector<RunRecord> of_campaign(std::string_view campaign, TimePoint since) const;
  // The latest `limit` runs, latest first; 0: all. Unreadable ones are left out.
  Result<std::vector<RunSummary>> list(std::size_t limit = 0) const;

 private:
  Store(std::filesystem::path dir, std::shared_ptr<Index> index);
  std::vector<std::string> ids() const;  // ascending
  std::filesystem::path dir_;
  std::shared_ptr<Index> index_;  // null: none could be made; the files are read instead
};

// The record below a run's folder, without any store.
Result<RunRecord> load_run(const std::filesystem::path& directory);

}  // namespace ktrial::results
