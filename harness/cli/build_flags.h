// How a kernel is built from a git tree: what `ktrial kernel build`, `bisect --tree`
// and `run --kernel git:REV` ask alike.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "harness/kernel/kernel.h"

namespace ktrial::cli {

struct BuildFlags {
  std::string tree, base_config, compiler = "gcc";
  std::vector<std::string> configs;
  unsigned jobs = 0;
};

// `jobs`: the flag for those of make.
void add_build_options(CLI::App& command, BuildFlags& flags, const char* jobs = "--make-jobs");
// `revision` and `stop` are left to the caller.
Result<kernel::BuildRequest> build_request(const BuildFlags& flags);

// The same for a kernel reference; nothing is looked up when no tree is named.
Result<kernel::BuildRequest> git_options(const BuildFlags& flags);

// A line that is rewritten on a terminal; elsewhere one line a step.
class BuildBar {
 public:
  BuildBar();
  void operator()(const kernel::BuildProgress& progress);
  void done();  // clears the live line

 private:
  bool terminal_;
  std::string step_;
  bool live_ = false;
};

}  // namespace ktrial::cli
