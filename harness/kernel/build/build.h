// A kernel built from a commit of a git tree, kept in the cache:
//
//   CACHE/build/KEY/         what is kept of a build; a build tree to resolve()
//   CACHE/build/log/KEY.log  of a build that failed or is under way
//   CACHE/build/objects/*/   O= folders, one for each repository and configuration:
//                            make rebuilds only what differs between commits
//   CACHE/sources/*/         sources, one folder for each repository (git_tree.h)
//
// KEY is made of the hash of the git tree, the configuration asked for, and the
// compiler's version. Kept are: arch/x86/boot/bzImage, vmlinux with its symbols,
// System.map, .config, modules.builtin, modules and modules.order, Module.symvers,
// and the headers, scripts and objtool that modules are built with, so that
// find_build_directory() works on it. Objects and sources are not.
//
// Builds of one repository wait for one another; other processes see a whole
// entry or none.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "harness/base/result.h"

namespace ktrial::kernel {

struct BuildProgress {
  std::string_view step;    // "sources", "configuration", "compile", "keep"
  std::string_view detail;  // the object at hand: "kernel/fork.o"
  unsigned done = 0;        // objects
  unsigned expected = 0;    // as the last such build had; 0: unknown
  std::chrono::seconds elapsed{0};
  std::optional<std::chrono::seconds> left = {};  // an estimate
};

struct BuildRequest {
  std::filesystem::path tree;                        // a git checkout of Linux; is not written to
  std::string revision;                              // what git takes for a commit
  std::vector<std::filesystem::path> fragments;      // see choose_fragments()
  std::optional<std::filesystem::path> base_config;  // see ConfigRequest::base
  std::string compiler = "gcc";                      // or gcc-12, clang, clang-19
  unsigned jobs = 0;                                 // 0: one for each CPU
  std::filesystem::path cache_dir;
  std::function<void(const BuildProgress&)> progress = {};
  std::stop_token stop = {};
};

struct Built {
  std::filesystem::path directory;  // CACHE/build/KEY
  std::string commit;               // full hash
  bool cached = false;              // nothing had to be built
  unsigned compiled = 0;            // objects, this time
  std::chrono::milliseconds took{0};
};

// The sources do not compile: a bisection skips this commit.
struct BuildFailed {
  std::string commit;
  std::filesystem::path log;
  std::vector<std::string> errors;  // lines of the log that say why
};

using BuildOutcome = std::variant<Built, BuildFailed>;

// Call from the main thread. ErrorKind::usage: unknown revision, uncommitted
// changes where the revision means the checkout, an option that is not granted.
// ErrorKind::environment: a tool, a header or space on the disk is missing.
// ErrorKind::interrupted: at a stop request; what is compiled by then is kept, and
// the next build goes on from there.
Result<BuildOutcome> build_kernel(const BuildRequest& request);

}  // namespace ktrial::kernel
