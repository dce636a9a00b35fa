// Machines that were stopped when they were ready, kept in memory for all jobs of a user on this
// host: a folder for each key, DIR/KEY/, made under another name and renamed when it is whole.
//
// DIR/KEY.lock says who is at it (flock(2), gone with its holder however that ends): shared, who
// resumes from it; alone, who makes or removes it. What a maker left that was killed is removed by
// its janitor, and by whoever comes next.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <variant>

#include "harness/base/fd.h"
#include "harness/base/result.h"
#include "harness/vm/vm.h"

namespace ktrial::vm {

class TemplateStore {
 public:
  struct Options {
    std::filesystem::path folder;  // made if it is not there, for this user alone
    std::uint64_t room = 0;        // bytes of all templates; 0: a quarter of what holds the folder
    std::chrono::seconds unused = std::chrono::hours(24);  // longer: it is stale
  };
  // $KTRIAL_TEMPLATES, or a folder of this user's in /dev/shm.
  static Options default_options();
  // Removes what is stale, and what killed makers left. An error where templates cannot be kept:
  // the folder is not in memory, or not ours.
  static Result<TemplateStore> open(const Options& options);

  // A whole template; stays while this lives, unless it is dropped.
  struct Lease {
    std::filesystem::path folder;
    Fd lock;
    SavedState state() const { return {folder / "ram", folder / "devices"}; }
    std::filesystem::path console() const { return folder / "console"; }  // of its boot
  };
  // To be prepared, filled with the same files, and then committed. Else discard() it.
  struct Making {
    std::filesystem::path folder;
    std::string key;
    std::filesystem::path lock_file;
    Fd lock;
  };
  struct Busy {};  // another makes it, or removes it
  using Entry = std::variant<Lease, Making, Busy>;
  // Never waits. Who shall make it has its lock, and no folder yet: his janitor is told before.
  Result<Entry> take(const std::string& key);
  // Makes the folder. `bytes` of RAM has the machine: others make room, the least used first.
  Status prepare(const Making& making, std::uint64_t bytes);
  Result<Lease> commit(Making making);
  static void discard(const Making& making);
  // It proved bad. Who runs on it keeps what he has.
  void drop(const std::string& key);

  std::uint64_t used() const;  // bytes
  const std::filesystem::path& folder() const { return options_.folder; }

 private:
  explicit TemplateStore(Options options) : options_(std::move(options)) {}
  void sweep(std::uint64_t wanted);
  bool remove_unused(const std::string& key);
  std::filesystem::path lock_file(const std::string& key) const;
  std::optional<Fd> lock(const std::string& key, int how) const;
  bool is_whole(const std::string& key) const;

  Options options_;
};

}  // namespace ktrial::vm
