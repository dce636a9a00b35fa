#include "workloads/debug-events/event_log.h"

#include <algorithm>
#include <map>
#include <set>

#include "workloads/common/say.h"

namespace ktrial::debug_events {
namespace {

using workload::say;

std::string problem(const Event& e, const char* what) {
  return say("event %u, %s of task %d (ref %u): %s", e.seqno, name_of(e.kind), e.task, e.ref, what);
}

bool born(Kind kind) { return creates(kind) && kind != Kind::attach; }

using Counts = std::map<std::pair<Kind, std::int32_t>, int>;

std::string compare(const Counts& told, const Counts& own, const char* teller) {
  for (const auto& counts : {told, own})
    for (const auto& [key, unused] : counts) {
      const auto a = told.find(key), b = own.find(key);
      const int times = a == told.end() ? 0 : a->second, others = b == own.end() ? 0 : b->second;
      if (times != others)
        return say("mismatch: %s of task %d is told %d times by the debugger, %d times by %s",
                   name_of(key.first), key.second, times, others, teller);
    }
  return "";
}

// Of the tasks that `client` bore, by the debugger; births in order.
Counts told_of(const std::vector<Event>& log, std::int32_t client, std::vector<Entry>& births) {
  Counts counts;
  std::set<std::int32_t> tasks;
  for (const Event& e : log) {
    if (born(e.kind) && e.by == client) {
      tasks.insert(e.task);
      births.push_back({e.kind, e.task});
    }
    if (tasks.contains(e.task) && e.kind != Kind::detach && e.kind != Kind::attach)
      ++counts[{e.kind, e.task}];
  }
  return counts;
}

}  // namespace

const char* name_of(Kind kind) {
  static constexpr const char* kNames[] = {"attach", "fork", "vfork", "clone",
                                           "exec",   "exit", "detach"};
  const auto i = static_cast<std::size_t>(kind);
  return i < std::size(kNames) ? kNames[i] : "unknown kind";
}
bool creates(Kind kind) { return kind <= Kind::clone; }
bool destroys(Kind kind) { return kind == Kind::exit || kind == Kind::detach; }

std::string check_log(const std::vector<Event>& log, bool whole) {
  std::map<std::int32_t, std::uint32_t> alive;  // task to the seqno of its creation
  std::set<std::int32_t> seen;
  std::uint32_t expected = 1;
  for (const Event& e : log) {
    if (e.seqno < expected) return problem(e, "duplicate sequence number");
    if (e.seqno > expected) return problem(e, "gap in the sequence numbers");
    ++expected;
    if (e.kind > Kind::detach) return problem(e, "no such kind");
    const std::int32_t about = born(e.kind) ? e.by : e.task;
    if (e.kind == Kind::attach) {
      if (e.ref != 0) return problem(e, "an attach refers to nothing");
    } else if (!alive.contains(about)) {
      return problem(e, seen.contains(about) ? "event for a task that has ended or is detached"
                                             : "event for a task that was never created");
    } else if (alive.at(about) != e.ref) {
      return problem(e, "dangling reference: that event did not create the task");
    }
    if (creates(e.kind) && !alive.emplace(e.task, e.seqno).second)
      return problem(e, "the task is there already");
    if (destroys(e.kind)) alive.erase(e.task);
    seen.insert(e.task);
  }
  if (whole && !alive.empty())
    return say("task %d was created by event %u and never destroyed", alive.begin()->first,
               alive.begin()->second);
  return "";
}

std::string check_client(const std::vector<Event>& log, std::int32_t client,
                         const std::vector<Entry>& own, bool whole) {
  std::vector<Entry> births, own_births;
  const Counts told = told_of(log, client, births);
  Counts counts;
  for (const Entry& entry : own) {
    ++counts[{entry.kind, entry.task}];
    if (born(entry.kind)) own_births.push_back(entry);
  }
  if (whole)
    if (std::string wrong = compare(told, counts, "the client"); !wrong.empty()) return wrong;
  if (births.size() > own_births.size())
    return say("mismatch: %zu births of client %d, which knows %zu", births.size(), client,
               own_births.size());
  for (std::size_t i = 0; i < births.size(); ++i)
    if (births[i] != own_births[i])
      return say("mismatch: birth %zu of client %d is %s of %d by the debugger, %s of %d by itself",
                 i + 1, client, name_of(births[i].kind), births[i].task,
                 name_of(own_births[i].kind), own_births[i].task);
  for (const auto& [key, times] : told)
    if (const auto at = counts.find(key); at == counts.end() || at->second < times)
      return say("mismatch: %s of task %d is unknown to its client %d", name_of(key.first),
                 key.second, client);
  return "";
}

std::string check_witness(const std::vector<Event>& log, const std::vector<Entry>& witness) {
  std::set<std::int32_t> tasks;
  Counts told, seen;
  for (const Event& e : log) {
    if (born(e.kind)) tasks.insert(e.task);
    if (tasks.contains(e.task)) ++told[{born(e.kind) ? Kind::fork : e.kind, e.task}];
  }
  for (const Entry& entry : witness)
    if (tasks.contains(entry.task)) ++seen[{entry.kind, entry.task}];
  return compare(told, seen, "the proc connector");
}

std::string check_discovery(const std::vector<Event>& log, const std::vector<std::int32_t>& tasks) {
  std::map<std::int32_t, int> found;
  for (const Event& e : log)
    if (creates(e.kind)) ++found[e.task];
  for (const auto& [task, times] : found)
    if (times != 1) return say("discovery: task %d was found %d times", task, times);
  for (const std::int32_t task : tasks)
    if (found.erase(task) == 0) return say("discovery: task %d was not found", task);
  if (!found.empty())
    return say("discovery: task %d was found, no client knows it", found.begin()->first);
  return "";
}

std::string check_tokens(const std::vector<Token>& tokens, std::uint32_t stages) {
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const bool signal = i % 2 == 1;
    if (tokens[i].signal != signal || tokens[i].stage != i / 2 + 1)
      return say("stages: token %zu is %s of stage %u, expected %s of %zu", i + 1,
                 tokens[i].signal ? "the signal" : "the announcement", tokens[i].stage,
                 signal ? "the signal" : "the announcement", i / 2 + 1);
  }
  if (tokens.size() != 2 * std::size_t{stages})
    return say("stages: %zu tokens for %u stages", tokens.size(), stages);
  return "";
}

}  // namespace ktrial::debug_events
