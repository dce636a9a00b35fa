// A user's git repository, read only: names of commits, the history between two,
// which paths each touched. And the private folder with one commit's sources,
// from which kernels are built, kept between commits so that `make` builds only
// what changed.
//
// Nothing is written into the user's repository or checkout: the private folder
// is a repository of its own that borrows the objects (git's alternates).
#pragma once

#include <filesystem>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "harness/base/result.h"

namespace ktrial::kernel {

struct Commit {
  std::string hash;     // full, hex
  std::string subject;  // first line of the message
  std::vector<std::string> parents;
  bool operator==(const Commit&) const = default;
};

struct CommitPaths {
  std::string hash;
  std::vector<std::string> paths;  // relative to the top; none of a merge
};

class GitTree {
 public:
  // `path` is a folder in a repository (or a bare one). ErrorKind::usage when it
  // is none, ErrorKind::environment when git is missing or refuses to work there.
  static Result<GitTree> open(const std::filesystem::path& path, std::stop_token stop = {});

  // The commit that a revision names: "v6.1", "HEAD~3", a hash. ErrorKind::usage
  // if there is no such commit.
  Result<std::string> commit(const std::string& revision) const;
  // Hash of the tree of a commit: equal where the sources are equal.
  Result<std::string> tree_hash(const std::string& commit) const;
  Result<std::string> subject(const std::string& commit) const;
  // Also true if they are the same.
  Result<bool> is_ancestor(const std::string& ancestor, const std::string& descendant) const;

  // All commits that `bad` has and `good` has not, parents before children, so
  // that `bad` is the last one. Parents outside of the range are listed too.
  // ErrorKind::usage when the two are the same or `good` is no ancestor of `bad`
  // (the message says whether it is the other way round).
  Result<std::vector<Commit>> history(const std::string& good, const std::string& bad) const;
  // The paths of the same commits.
  Result<std::vector<CommitPaths>> touched_paths(const std::string& good,
                                                 const std::string& bad) const;

  // A usage error if `revision` means the checkout itself (HEAD, @, the name of
  // the current branch) and the checkout has changes that no commit has: they
  // would silently not be built. Untracked files do not count.
  Status refuse_dirty(const std::string& revision) const;

  // Makes `directory` hold the sources of `commit` and nothing else that git
  // tracks; only files that differ are written. Creates it at first. The caller
  // holds a lock on it.
  Status export_to(const std::filesystem::path& directory, const std::string& commit) const;

  // Where the objects are: the same for all worktrees of a repository.
  const std::filesystem::path& objects() const { return objects_; }
  const std::filesystem::path& path() const { return path_; }

 private:
  GitTree(std::filesystem::path path, std::stop_token stop)
      : path_(std::move(path)), stop_(std::move(stop)) {}
  // Standard output of git in path_; an Error with git's own words if it fails.
  Result<std::string> git(const std::vector<std::string>& arguments) const;
  Status create_scratch(const std::filesystem::path& directory) const;
  Status require_range(const std::string& good, const std::string& bad) const;

  std::filesystem::path path_;
  std::filesystem::path objects_;
  std::stop_token stop_;
};

}  // namespace ktrial::kernel
