// What becomes of a job whose task is over: done, lost, or once more.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "harness/engine/slurm/fleet.h"

namespace ktrial::engine::slurm {
namespace {

constexpr int kMostFree = 12;  // attempts of a job that are not counted: the node was to blame
constexpr double kRetry = 10, kRetryGrows = 3, kRetryMost = 300;  // seconds, before one more

// Somebody ended it.
bool taken_away(const std::string& word) {
  for (const char* so : {"CANCELLED", "PREEMPTED", "TIMEOUT", "DEADLINE", "REVOKED"})
    if (word.starts_with(so)) return true;
  return false;
}

bool node_may_be_why(const std::string& word) {
  return !taken_away(word) && !word.starts_with("GONE");
}

}  // namespace

void Fleet::decide(JobId id, Open& open, const AtWork& was, const Told& told, double now) {
  const std::string& node = told.node.empty() ? was.node : told.node;
  const bool could_not = told.error && told.error->kind == ErrorKind::environment;
  const bool interrupted = told.exit == 130 || (could_not && taken_away(was.word));
  const bool whole = told.trials >= open.job.spec.repeat && !open.job.spec.until_fail;
  if (told.exit && !interrupted) {
    blame(node, !could_not, could_not ? told.error->message : "");
    if (!could_not || told.trials > 0 || open.cancelled)
      return finish(id, Finished{*told.exit, told.error}, told.run);
    return again(id, open, fmt::format("on {}: {}", node, told.error->message),
                 !nodes_.suspect(node), Finished{*told.exit, told.error}, told.run, now);
  }
  if (whole) return finish(id, Finished{0, {}}, told.run);
  if (open.cancelled) return finish(id, Cancelled{}, told.run);
  lost(id, open, was, told, now);
}

void Fleet::lost(JobId id, Open& open, const AtWork& was, const Told& told, double now) {
  const std::string& node = told.node.empty() ? was.node : told.node;
  std::string why = node.empty() ? "" : "on " + node + ": ";
  if (told.abandoned)
    why += "nobody waited for it any more";
  else
    why += was.word.empty() ? "it ended without a word" : was.word;
  if (!told.last_words.empty()) why += ": " + told.last_words;
  const bool to_blame = !told.abandoned && !told.exit && node_may_be_why(was.word);
  if (to_blame) blame(node, false, why);
  if (told.trials > 0) {
    ++counts_.losses;
    return finish(id, Lost{why}, told.run);
  }
  again(id, open, why, !told.abandoned && !(to_blame && nodes_.suspect(node)), Lost{why}, told.run,
        now);
}

// Once more, if there were not too many attempts.
void Fleet::again(JobId id, Open& open, const std::string& why, bool charged, const How& else_how,
                  const std::string& run, double now) {
  ++counts_.losses;
  if (!charged) {
    --open.attempts;
    ++open.free_attempts;
  }
  if (open.attempts >= pace_.attempts || open.free_attempts > kMostFree) {
    How how = else_how;
    if (auto* lost = std::get_if<Lost>(&how))
      lost->reason = fmt::format("{} times, at last {}", open.attempts + open.free_attempts, why);
    return finish(id, std::move(how), run);
  }
  tell(fmt::format("a job was lost {}; it goes once more", why));
  open.not_before =
      now + std::min(kRetryMost, kRetry * std::pow(kRetryGrows, std::max(0, open.attempts - 1)));
  waiting_.insert(id);
}

void Fleet::finish(JobId id, How how, const std::string& run) {
  const auto found = jobs_.find(id);
  if (found == jobs_.end()) return;
  // A task that still serves it is one of nobody's.
  if (found->second.task) {
    const Task& task = *found->second.task;
    if (const auto shard = shards_.find(task.shard); shard != shards_.end())
      if (const auto at = shard->second.tasks.find(task.index); at != shard->second.tasks.end())
        at->second.job = 0;
  }
  waiting_.erase(id);
  jobs_.erase(found);
  settled.push_back({id, std::move(how), run});
}

void Fleet::blame(const std::string& node, bool good, const std::string& why) {
  if (good)
    nodes_.good(node);
  else
    nodes_.bad(node, why);
  const auto fresh = nodes_.take_new();
  if (fresh.empty()) return;
  for (const std::string& one : fresh)
    tell(fmt::format("node {} is avoided: {}", one, nodes_.why(one)));
  (void)cluster_.avoid(arrays(), {nodes_.avoided().begin(), nodes_.avoided().end()});
}

}  // namespace ktrial::engine::slurm
