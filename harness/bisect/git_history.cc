#include "harness/bisect/git_history.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "harness/base/stop_on_signal.h"
#include "harness/kernel/build/git_tree.h"

namespace ktrial::bisect {
namespace {

constexpr Costs kBuildCosts{.build = 600, .run = 30, .parallel = 1};
// How much likelier a commit that touches a suspected path is.
constexpr double kSuspicion = 5;

bool is_below(std::string_view path, std::string_view folder) {
  while (folder.ends_with('/')) folder.remove_suffix(1);
  return path.starts_with(folder) && (path.size() == folder.size() || path[folder.size()] == '/');
}

Result<std::vector<double>> weights_of(const kernel::GitTree& tree, const CommitGraph& graph,
                                       const std::string& from, const std::string& to,
                                       const std::vector<std::string>& suspects) {
  if (suspects.empty()) return std::vector<double>{};
  std::vector<double> weights(graph.size(), 1);
  bool any = false;
  for (const auto& commit : KTRIAL_TRY(tree.touched_paths(from, to))) {
    const bool suspected = std::ranges::any_of(commit.paths, [&](const std::string& path) {
      return std::ranges::any_of(suspects,
                                 [&](const std::string& folder) { return is_below(path, folder); });
    });
    const auto index = graph.find(commit.hash);
    if (!suspected || !index || *index == graph.old_end()) continue;
    weights[*index] = kSuspicion;
    any = true;
  }
  if (!any)
    return usage_error("--suspect: no commit between the ends touches " + suspects.front(),
                       "paths are relative to the top of the tree");
  return weights;
}

Maker build_maker(kernel::BuildRequest build) {
  return [build = std::move(build)](const std::string& commit) -> Result<Made> {
    const StopOnSignal signals;
    kernel::BuildRequest request = build;
    request.revision = commit;
    request.stop = signals.token();
    auto outcome = KTRIAL_TRY(kernel::build_kernel(request));
    if (auto* failed = std::get_if<kernel::BuildFailed>(&outcome))
      return Unbuildable{failed->errors.empty() ? "it does not compile" : failed->errors.front(),
                         failed->log};
    return MadeKernel{std::get<kernel::Built>(outcome).directory.string()};
  };
}

}  // namespace

Result<History> git_history(const kernel::BuildRequest& build, const HistoryRequest& request) {
  const auto tree = KTRIAL_TRY(kernel::GitTree::open(build.tree, request.stop));
  for (const std::string& end : {request.good, request.bad}) KTRIAL_TRY(tree.refuse_dirty(end));
  const std::string good = KTRIAL_TRY(tree.commit(request.good));
  const std::string bad = KTRIAL_TRY(tree.commit(request.bad));
  // The bad end is the older one: then the fix is looked for.
  const bool fix = good != bad && KTRIAL_TRY(tree.is_ancestor(bad, good));
  const std::string& from = fix ? bad : good;
  const std::string& to = fix ? good : bad;
  std::vector<CommitInfo> commits;
  for (auto& commit : KTRIAL_TRY(tree.history(from, to)))
    commits.push_back(
        {std::move(commit.hash), std::move(commit.subject), std::move(commit.parents)});
  auto graph = KTRIAL_TRY(CommitGraph::create(std::move(commits), {from}, to));
  auto weights = KTRIAL_TRY(weights_of(tree, graph, from, to, request.suspects));
  return History{.graph = std::move(graph),
                 .direction = fix ? Direction::fix : Direction::bug,
                 .weights = std::move(weights),
                 .costs = kBuildCosts,
                 .kind = "commit",
                 .maker = build_maker(build)};
}

}  // namespace ktrial::bisect
