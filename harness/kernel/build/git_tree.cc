#include "harness/kernel/build/git_tree.h"

#include <algorithm>
#include <chrono>

#include "harness/base/command.h"
#include "harness/base/file.h"
#include "harness/base/text.h"
#include "harness/spec/timeouts.h"

namespace ktrial::kernel {
namespace fs = std::filesystem;
namespace {

// A checkout of Linux on a slow disk takes minutes; a hanging network mount more.
constexpr std::size_t kMaxOutput = 512u << 20;  // bytes; 15,000 commits with paths are 10 MB

bool is_full_hash(std::string_view text) {
  return (text.size() == 40 || text.size() == 64) && std::ranges::all_of(text, [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

std::string brief(const std::string& hash) { return hash.substr(0, 12); }

// git in `directory`, deaf to what the caller's environment or hooks would have it do.
Result<CommandOutput> run_git(const fs::path& directory, const std::vector<std::string>& arguments,
                              std::stop_token stop) {
  std::vector<std::string> argv = {"env",
                                   "-u",
                                   "GIT_DIR",
                                   "-u",
                                   "GIT_WORK_TREE",
                                   "-u",
                                   "GIT_INDEX_FILE",
                                   "git",
                                   "--no-pager",
                                   "--no-optional-locks",
                                   "-c",
                                   "core.quotePath=off",
                                   "-c",
                                   "core.hooksPath=/dev/null",
                                   "-c",
                                   "log.showSignature=false",
                                   "-C",
                                   directory.string()};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  auto output = run_command(argv, {.timeout = spec::host_wait(spec::HostWait::git),
                                   .max_output = kMaxOutput,
                                   .stop = std::move(stop)});
  if (output && output->exit_status == 127)
    return fail(ErrorKind::environment, "git is not installed", "apt-get install git");
  if (output && output->truncated)
    return fail(ErrorKind::environment,
                "git " + arguments[0] + " in " + directory.string() + " printed more than 512 MiB");
  return output;
}

// Git's refusals that the user can mend.
std::string hint_for(const std::string& complaint) {
  if (complaint.find("dubious ownership") != std::string::npos)
    return "the repository belongs to another user: git config --global --add safe.directory DIR";
  if (complaint.find("No space left") != std::string::npos)
    return "the disk is full: free some space";
  return "";
}

}  // namespace

Result<std::string> GitTree::git(const std::vector<std::string>& arguments) const {
  CommandOutput output = KTRIAL_TRY(run_git(path_, arguments, stop_));
  if (output.ok()) return std::move(output.out);
  return fail(ErrorKind::environment,
              "git " + arguments[0] + " in " + path_.string() + ": " + last_line(output.err),
              hint_for(output.err));
}

Result<GitTree> GitTree::open(const fs::path& path, std::stop_token stop) {
  std::error_code error;
  GitTree tree(fs::absolute(path, error), std::move(stop));
  if (!fs::is_directory(path, error))
    return usage_error("--tree " + path.string() + ": no such folder",
                       "name a folder with a git checkout of Linux");
  const auto output =
      KTRIAL_TRY(run_git(tree.path_, {"rev-parse", "--git-path", "objects"}, tree.stop_));
  if (!output.ok()) {
    if (output.err.find("not a git repository") != std::string::npos)
      return usage_error("--tree " + path.string() + " is not a git repository",
                         "a tree that is built already can be named as --kernel " + path.string());
    return fail(ErrorKind::environment, "--tree " + path.string() + ": " + last_line(output.err),
                hint_for(output.err));
  }
  tree.objects_ = fs::canonical(tree.path_ / trimmed(output.out), error);
  if (error) return fail_errno("git objects of " + path.string(), error.value());
  return tree;
}

Result<std::string> GitTree::commit(const std::string& revision) const {
  const auto output = KTRIAL_TRY(run_git(
      path_, {"rev-parse", "--verify", "--quiet", "--end-of-options", revision + "^{commit}"},
      stop_));
  const std::string hash(trimmed(output.out));
  if (output.ok() && is_full_hash(hash)) return hash;
  return usage_error("git:" + revision + ": no such commit in " + path_.string(),
                     "git -C " + path_.string() + " fetch, or look with git log");
}

Result<std::string> GitTree::tree_hash(const std::string& commit) const {
  return std::string(
      trimmed(KTRIAL_TRY(git({"rev-parse", "--verify", "--end-of-options", commit + "^{tree}"}))));
}

Result<std::string> GitTree::subject(const std::string& commit) const {
  return std::string(
      trimmed(KTRIAL_TRY(git({"show", "-s", "--format=%s", "--end-of-options", commit, "--"}))));
}

Result<bool> GitTree::is_ancestor(const std::string& ancestor,
                                  const std::string& descendant) const {
  const std::string from = KTRIAL_TRY(commit(ancestor));
  const std::string to = KTRIAL_TRY(commit(descendant));
  const auto output = KTRIAL_TRY(run_git(path_, {"merge-base", "--is-ancestor", from, to}, stop_));
  if (output.signal == 0 && output.exit_status <= 1) return output.exit_status == 0;
  return fail(ErrorKind::environment,
              "git merge-base in " + path_.string() + ": " + last_line(output.err));
}

Status GitTree::require_range(const std::string& good, const std::string& bad) const {
  if (good == bad)
    return usage_error("good and bad are the same commit, " + brief(good),
                       "name two commits: one that works and a later one that does not");
  if (KTRIAL_TRY(is_ancestor(good, bad))) return {};
  if (KTRIAL_TRY(is_ancestor(bad, good)))
    return usage_error("good (" + brief(good) + ") comes after bad (" + brief(bad) + ")",
                       "to look for a fix, exchange the two and say so");
  const auto base = git({"merge-base", good, bad});
  return usage_error(
      "good (" + brief(good) + ") is not an ancestor of bad (" + brief(bad) + ")",
      base ? "try their merge base as good: " + std::string(trimmed(*base))
           : "they have no common history here; a shallow clone? git fetch --unshallow");
}

Result<std::vector<Commit>> GitTree::history(const std::string& good,
                                             const std::string& bad) const {
  const std::string from = KTRIAL_TRY(commit(good)), to = KTRIAL_TRY(commit(bad));
  KTRIAL_TRY(require_range(from, to));
  // Fields end in a tab: a subject, which comes last, may hold anything but a line feed.
  const std::string out = KTRIAL_TRY(
      git({"log", "--topo-order", "--reverse", "--format=%H%x09%P%x09%s", to, "^" + from, "--"}));
  std::vector<Commit> commits;
  for (const std::string_view line : split(out, '\n')) {
    const std::size_t first = line.find('\t');
    const std::size_t second = first == std::string::npos ? first : line.find('\t', first + 1);
    if (second == std::string::npos || !is_full_hash(line.substr(0, first)))
      return fail(ErrorKind::environment,
                  "git log printed \"" + std::string(line.substr(0, 80)) + "\"");
    const auto parents = split(line.substr(first + 1, second - first - 1), ' ');
    commits.push_back({std::string(line.substr(0, first)),
                       std::string(line.substr(second + 1)),
                       {parents.begin(), parents.end()}});
  }
  return commits;
}

Result<std::vector<CommitPaths>> GitTree::touched_paths(const std::string& good,
                                                        const std::string& bad) const {
  const std::string from = KTRIAL_TRY(commit(good)), to = KTRIAL_TRY(commit(bad));
  KTRIAL_TRY(require_range(from, to));
  // With -z: "\1HASH\0", then "\nPATH\0PATH\0" where there are any.
  const std::string out =
      KTRIAL_TRY(git({"log", "--topo-order", "--reverse", "--no-renames", "--name-only", "-z",
                      "--format=%x01%H", to, "^" + from, "--"}));
  std::vector<CommitPaths> commits;
  for (std::string_view field : split(out, '\0')) {
    if (field.starts_with('\1')) {
      commits.push_back({std::string(field.substr(1, field.find('\n') - 1)), {}});
      continue;
    }
    if (field.starts_with('\n')) field.remove_prefix(1);
    if (!commits.empty() && !field.empty()) commits.back().paths.emplace_back(field);
  }
  return commits;
}

Status GitTree::refuse_dirty(const std::string& revision) const {
  const auto branch = KTRIAL_TRY(run_git(path_, {"symbolic-ref", "--quiet", "HEAD"}, stop_));
  const std::string full(trimmed(branch.out));
  const std::string heads = "refs/heads/";
  const bool current =
      full.starts_with(heads) && (revision == full || revision == full.substr(heads.size()));
  if (revision != "HEAD" && revision != "@" && !current) return {};
  const auto status =
      KTRIAL_TRY(run_git(path_, {"status", "--porcelain", "--untracked-files=no"}, stop_));
  if (!status.ok() || trimmed(status.out).empty()) return {};  // not ok: a bare repository
  const auto lines = split(status.out, '\n');
  return usage_error(
      path_.string() + " has changes that are in no commit (" + std::string(lines.front()) +
          (lines.size() > 1 ? ", ..." : "") + "), so git:" + revision +
          " is not what you see there",
      "commit or stash them, or name the commit by its hash to build it without them");
}

Status GitTree::create_scratch(const fs::path& directory) const {
  std::error_code error;
  fs::create_directories(directory, error);
  if (error) return fail_errno("create " + directory.string(), error.value());
  const std::string format(trimmed(KTRIAL_TRY(git({"rev-parse", "--show-object-format"}))));
  const auto made = KTRIAL_TRY(
      run_git(directory, {"init", "--quiet", "--template=", "--object-format=" + format}, stop_));
  if (!made.ok())
    return fail(ErrorKind::environment,
                "git init in " + directory.string() + ": " + last_line(made.err),
                hint_for(made.err));
  return {};
}

Status GitTree::export_to(const fs::path& directory, const std::string& commit) const {
  std::error_code error;
  if (!fs::exists(directory / ".git/HEAD", error)) KTRIAL_TRY(create_scratch(directory));
  const fs::path info = directory / ".git/objects/info";
  fs::create_directories(info, error);
  KTRIAL_TRY(write_file_atomically(info / "alternates", objects_.string() + "\n"));
  // Left by a git that was killed; the caller's lock says that none is at work.
  fs::remove(directory / ".git/index.lock", error);
  const auto output = KTRIAL_TRY(run_git(
      directory,
      {"-c", "advice.detachedHead=false", "checkout", "--quiet", "--force", "--detach", commit},
      stop_));
  if (output.ok()) return {};
  return fail(
      ErrorKind::environment,
      "sources of " + brief(commit) + " into " + directory.string() + ": " + last_line(output.err),
      hint_for(output.err));
}

}  // namespace ktrial::kernel
