// The SQLite index over runs: a cache that may be thrown away at any time. Every
// operation may fail (disk full, corrupt file); callers then read the files.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "results/store/summary.h"

struct sqlite3;
struct sqlite3_stmt;

namespace ktrial::results {

class Index {
 public:
  // Opens or makes it. A corrupt file or one of another version is replaced by
  // an empty one. Null when no index can be had here.
  static std::shared_ptr<Index> open(const std::filesystem::path& file);
  Index(const Index&) = delete;
  Index& operator=(const Index&) = delete;
  ~Index();

  bool put(const std::vector<RunSummary>& runs);
  bool remove(const std::vector<std::string>& ids);
  // Every id with its state.
  std::optional<std::map<std::string, RunState>> states();
  // Latest first; limit 0: all.
  std::optional<std::vector<RunSummary>> list(std::size_t limit);
  // Starts again with an empty index, after an operation has failed; not when the index is
  // only in use by somebody else.
  bool recreate();

 private:
  explicit Index(std::filesystem::path file) : file_(std::move(file)) {}
  bool connect();
  bool run(const char* sql);

  std::filesystem::path file_;
  sqlite3* db_ = nullptr;
  std::mutex mutex_;  // a Store may be shared by threads
};

}  // namespace ktrial::results
