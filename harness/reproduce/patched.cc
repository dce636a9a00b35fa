#include "harness/reproduce/patched.h"

#include "harness/base/command.h"
#include "harness/base/file.h"
#include "harness/base/text.h"
#include "harness/kernel/build/git_tree.h"

namespace ktrial::reproduce {
namespace fs = std::filesystem;
namespace {

class Git {
 public:
  Git(fs::path folder, std::stop_token stop) : folder_(std::move(folder)), stop_(std::move(stop)) {}
  Result<std::string> operator()(std::vector<std::string> arguments) const {
    std::vector<std::string> argv{"git", "--git-dir", folder_.string()};
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    const auto output = KTRIAL_TRY(
        run_command(argv, {.environment = {{"GIT_INDEX_FILE", (folder_ / "ktrial-index").string()},
                                           {"GIT_AUTHOR_NAME", "ktrial"},
                                           {"GIT_AUTHOR_EMAIL", "ktrial@localhost"},
                                           {"GIT_COMMITTER_NAME", "ktrial"},
                                           {"GIT_COMMITTER_EMAIL", "ktrial@localhost"},
                                           // The same patch is the same commit: it is built once.
                                           {"GIT_AUTHOR_DATE", "2000-01-01T00:00:00Z"},
                                           {"GIT_COMMITTER_DATE", "2000-01-01T00:00:00Z"}},
                           .stop = stop_}));
    if (!output.ok()) return usage_error("git " + arguments.front() + ": " + last_line(output.err));
    return std::string(trimmed(output.out));
  }

 private:
  fs::path folder_;
  std::stop_token stop_;
};

}  // namespace

Result<Patched> apply_patch(const fs::path& tree, const std::string& revision,
                            const std::string& patch, const fs::path& folder,
                            std::stop_token stop) {
  const auto source = KTRIAL_TRY(kernel::GitTree::open(tree, stop));
  KTRIAL_TRY(source.refuse_dirty(revision));
  Patched out{.tree = folder, .base = KTRIAL_TRY(source.commit(revision)), .commit = {}};
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return fail_errno("make " + folder.string(), error.value());
  const Git git(folder, stop);
  KTRIAL_TRY(git({"init", "--quiet", "--bare"}));
  KTRIAL_TRY(
      write_file_atomically(folder / "objects/info/alternates", source.objects().string() + "\n"));
  const fs::path file = folder / "ktrial.patch";
  KTRIAL_TRY(write_file_atomically(file, patch));
  KTRIAL_TRY(git({"read-tree", out.base}));
  if (auto applied = git({"apply", "--cached", "--recount", "--ignore-whitespace", file.string()});
      !applied) {
    applied.error().hint = "the patch is for another version, or was broken by a mail program";
    return std::unexpected(applied.error());
  }
  const std::string made = KTRIAL_TRY(git({"write-tree"}));
  out.commit =
      KTRIAL_TRY(git({"commit-tree", made, "-p", out.base, "-m", "with the patch on trial"}));
  return out;
}

}  // namespace ktrial::reproduce
