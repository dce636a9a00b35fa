#include "harness/cli/fix_flag.h"

#include <algorithm>
#include <filesystem>

#include "harness/base/file.h"
#include "harness/base/stop_on_signal.h"
#include "harness/kernel/build/git_tree.h"
#include "harness/kernel/cache.h"
#include "harness/kernel/digest.h"
#include "harness/mail/understand.h"
#include "harness/reproduce/kernels.h"
#include "harness/reproduce/patched.h"

namespace ktrial::cli {
namespace {
namespace fs = std::filesystem;

constexpr std::size_t kMaxPatch = 8u << 20;  // bytes

// The patch in a file: the file itself, or what a mail holds.
std::string patch_in(const fs::path& file) {
  const auto text = read_file(file, kMaxPatch);
  if (!text || text->find("\n@@ ") == std::string::npos) return {};
  const bool plain =
      text->starts_with("diff ") || text->starts_with("--- ") || text->starts_with("From ");
  if (plain && text->find("\nContent-Transfer-Encoding: ") == std::string::npos) return *text;
  mail::Reader reader;
  reader.begin(file.string());
  reader.feed(*text);
  const auto understood = reader.finish();
  return understood.patches.empty() ? *text : understood.patches.back().text;
}

Result<FixKernels> with_patch(const std::string& fix, const std::string& patch,
                              const std::string& kernel, run::Job& job) {
  if (job.build.tree.empty())
    return usage_error("--fix " + fix + " is a patch, and no tree is named",
                       "add --tree DIR, the kernel's git checkout");
  if (!kernel.empty() && !kernel.starts_with("git:"))
    return usage_error("a patch goes onto a commit, but the kernel is " + kernel,
                       "give --kernel git:REV");
  const std::string revision = kernel.empty() ? "HEAD" : kernel.substr(4);
  const StopOnSignal stop;
  const fs::path folder = KTRIAL_TRY(kernel::default_cache_dir()) / "patched" /
                          kernel::sha256(job.build.tree.string()).substr(0, 16);
  const auto patched =
      KTRIAL_TRY(reproduce::apply_patch(job.build.tree, revision, patch, folder, stop.token()));
  job.build.tree = patched.tree;
  return FixKernels{.without = "git:" + patched.base,
                    .with = "git:" + patched.commit,
                    .without_name = revision + " (" + patched.base.substr(0, 12) + ")",
                    .with_name = revision + " with " + fs::path(fix).filename().string()};
}

}  // namespace

Result<FixKernels> fix_kernels(const std::string& fix, const std::string& kernel,
                               const std::string& chosen,
                               const std::vector<kernel::PackagedKernel>& packages, run::Job& job) {
  std::error_code error;
  if (fs::is_regular_file(fix, error))
    if (const std::string patch = patch_in(fix); !patch.empty())
      return with_patch(fix, patch, kernel, job);
  const bool named =
      fix.starts_with("deb:") || fix.starts_with("git:") || fix == "host" || fs::exists(fix, error);
  if (named) return FixKernels{chosen, fix, chosen, fix};
  if (!job.build.tree.empty()) {
    const StopOnSignal stop;
    const auto tree = KTRIAL_TRY(kernel::GitTree::open(job.build.tree, stop.token()));
    const std::string commit = KTRIAL_TRY(tree.commit(fix));
    const std::string before =
        kernel.starts_with("git:") ? kernel : "git:" + KTRIAL_TRY(tree.commit(fix + "^"));
    const std::string base = KTRIAL_TRY(tree.commit(before.substr(4)));
    FixKernels out{before, "git:" + commit,
                   kernel.empty() ? fix + "^ (" + base.substr(0, 12) + ")"
                                  : before.substr(4) + " (" + base.substr(0, 12) + ")",
                   fix + " (" + commit.substr(0, 12) + ")"};
    if (const std::string parent = KTRIAL_TRY(tree.commit(commit + "^")); parent != base)
      out.note = out.without_name +
                 " is not the commit before the fix: whatever lies between them " +
                 "is on trial, too";
    return out;
  }
  // A version alone: Debian's kernel of it.
  const reproduce::Release wanted = reproduce::parse_release(fix);
  for (const kernel::PackagedKernel& package : packages)
    if (wanted.known() && reproduce::compare(reproduce::release_of(package), wanted) == 0)
      return FixKernels{chosen, package.reference(), chosen, package.reference()};
  return usage_error(
      "--fix " + fix + " is no patch file, no kernel, and no commit of a tree",
      "give --tree DIR for a commit; `ktrial kernel list` has the kernels of Debian");
}

}  // namespace ktrial::cli
