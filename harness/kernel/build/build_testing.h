// A git repository with a tiny tree that answers to what a kernel build is asked:
// merge_config.sh, allnoconfig, bzImage and modules, with O=.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "harness/base/file.h"
#include "harness/kernel/build/build.h"

namespace ktrial::kernel::testing {

class FakeLinux {
 public:
  FakeLinux();
  std::filesystem::path tree() const { return dir_->path() / "linux"; }
  std::filesystem::path cache() const { return dir_->path() / "cache"; }
  std::filesystem::path root() const { return dir_->path(); }
  // Commits all that is there and returns the hash.
  std::string commit(const std::string& subject);
  // Runs git in the tree; its output without the last line feed.
  std::string git(const std::vector<std::string>& arguments) const;
  // The shell commands that "compile" kernel/NAME.o.
  void object_recipe(const std::string& recipe) const;
  // A fragment that asks for these lines.
  std::filesystem::path fragment(const std::string& lines) const;
  BuildRequest request(const std::string& revision) const;

 private:
  Result<TempDir> dir_ = TempDir::create("ktrial-fake-linux");
};

}  // namespace ktrial::kernel::testing
