// Where the commits of a bisection come from: git, or the versions of Debian's
// kernel packages.
#pragma once

#include <functional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "harness/bisect/engine.h"
#include "harness/bisect/trial_lab.h"
#include "harness/kernel/deb/catalog.h"

namespace ktrial::bisect {

struct HistoryRequest {
  std::string good, bad;
  std::vector<std::string> suspects;  // paths
  bool offline = false;
  std::function<void(std::string_view)> progress = {};
  std::stop_token stop = {};
};

struct History {
  CommitGraph graph;
  Direction direction = Direction::bug;
  std::vector<double> weights;  // of the graph's commits; empty: alike
  Costs costs;                  // a first guess, seconds
  std::string kind;             // "commit" or "package"
  Maker maker;
};

// The packages of `pattern` between the ends, by version. An end is a package, with
// or without "deb:" and "=VERSION", or a release such as "6.19.6" that exactly one
// package of the pattern has. If the bad one is older, the fix is sought.
// ErrorKind::usage for ends that are unknown, ambiguous or the same.
Result<History> package_history(const std::string& pattern, const HistoryRequest& request);
// The same from a sorted list. Pure.
Result<History> history_of_packages(const std::vector<kernel::PackagedKernel>& packages,
                                    const HistoryRequest& request);

}  // namespace ktrial::bisect
