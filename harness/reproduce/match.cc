#include "harness/reproduce/match.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace ktrial::reproduce {
namespace {

using enum results::Kind;
using results::Kind;

std::string bare(std::string_view function) {
  std::string out = results::strip_function(function);
  // As the source names it: "__x64_sys_mount", "__se_sys_mount", "__do_sys_mount" are "sys_mount".
  for (const std::string_view prefix :
       {"__x64_", "__ia32_", "__se_", "__arm64_", "__do_", "__riscv_"})
    if (out.starts_with(prefix) && out.find("sys_") != out.npos) out.erase(0, prefix.size());
  return out;
}

std::string title_function(std::string_view title) {
  const std::size_t at = title.rfind(" in ");
  return at == title.npos ? std::string() : bare(title.substr(at + 4));
}

// What a trial's failure names, by every way it was seen.
struct Seen {
  Kind kind = none;
  std::string culprit, function;
  std::vector<std::string> frames;
};

std::vector<Seen> seen_in(const results::TrialRecord& trial) {
  std::vector<Seen> out;
  const results::Verdict& verdict = trial.verdict;
  out.push_back({verdict.kind, bare(verdict.culprit), title_function(verdict.title), {}});
  for (const results::Finding& finding : trial.findings) {
    Seen one{finding.kind, bare(finding.culprit), title_function(finding.title), {}};
    for (const std::string& frame : mail::frames_in(finding.excerpt))
      one.frames.push_back(bare(frame));
    out.front().frames.insert(out.front().frames.end(), one.frames.begin(), one.frames.end());
    out.push_back(std::move(one));
  }
  return out;
}

// Frames that both have, of those that tell one failure from another: the innermost ones.
std::vector<std::string> shared(const mail::Failure& reported, const Seen& seen) {
  constexpr std::size_t kInner = 8;
  std::vector<std::string> out;
  std::size_t looked = 0;
  for (const std::string& frame : reported.frames) {
    if (++looked > kInner) break;
    const std::string name = bare(frame);
    if (std::ranges::find(seen.frames, name) != seen.frames.end()) out.push_back(name);
  }
  return out;
}

std::string joined(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : ", ") + name;
  return out;
}

std::string kinds_text(Kind reported, Kind seen) {
  if (reported == seen) return fmt::format("kind {} in both", results::name(seen));
  return fmt::format("kind {} for {}, both {}", results::name(seen), results::name(reported),
                     family_of(seen));
}

Match compare(const mail::Failure& reported, const Seen& seen) {
  // "(of syzbot's title alone)": no kind is known then.
  const bool kind_known = reported.kind != none;
  if (kind_known &&
      (family_of(reported.kind).empty() ? reported.kind != seen.kind
                                        : family_of(reported.kind) != family_of(seen.kind)))
    return {Same::no, fmt::format("kind {}, reported was {}", results::name(seen.kind),
                                  results::name(reported.kind))};
  const std::string kinds = kind_known ? kinds_text(reported.kind, seen.kind) : "kind not told";
  const std::string culprit = bare(reported.culprit), function = title_function(reported.title);
  if (!culprit.empty() && (culprit == seen.culprit || culprit == seen.function))
    return {Same::yes, fmt::format("{}; {} is to blame in both", kinds, culprit)};
  if (culprit.empty() && !function.empty() &&
      (function == seen.function || function == seen.culprit))
    return {Same::yes, fmt::format("{}; in {} both times", kinds, function)};
  const auto frames = shared(reported, seen);
  const std::size_t inner = std::min<std::size_t>(reported.frames.size(), 8);
  if (inner >= 3 && frames.size() * 3 >= inner * 2)
    return {Same::yes, fmt::format("{}; {} of the {} innermost frames are shared: {}", kinds,
                                   frames.size(), inner, joined(frames))};
  if (culprit.empty() && function.empty() && reported.frames.empty())
    return {Same::likely, kinds + "; the report names no function"};
  const std::string place = seen.culprit.empty() ? seen.function : seen.culprit;
  return {Same::no, fmt::format("{}, but in {} where the report has {}", kinds,
                                place.empty() ? "an unknown function" : place,
                                culprit.empty() ? function : culprit)};
}

int rank(Same same) { return same == Same::yes ? 2 : same == Same::likely ? 1 : 0; }

}  // namespace

std::string family_of(Kind kind) {
  switch (kind) {
    case soft_lockup:
    case hard_lockup:
    case rcu_stall:
    case silent_stall:
    case workqueue_lockup:
    case csd_lockup:
    case hung_task:
    case workload_stall:
      return "stalls";
    case oops:
    case null_dereference:
    case gpf:
    case kasan:
    case kfence:
    case double_fault:
    case list_corruption:
    case memory_corruption:
    case bad_page:
    case refcount:
    case bug:
      return "bad memory";
    case lockdep:
    case suspicious_rcu:
    case held_lock:
      return "locking";
    case atomic_sleep:
    case preemption:
      return "sleeping in atomic context";
    default:
      return {};
  }
}

Expected expected_of(const mail::Understanding& report) {
  Expected out;
  for (const mail::Failure& failure : report.failures)
    if (!failure.foreign && out.failures.size() < 8) out.failures.push_back(failure);
  if (out.failures.empty())
    if (const mail::Fact* kind = report.find("kind"))
      out.kind = results::kind_named(kind->value).value_or(none);
  return out;
}

Match match(const Expected& expected, const results::TrialRecord& trial) {
  Match best;
  bool first = true;
  for (const Seen& seen : seen_in(trial)) {
    std::vector<Match> tried;
    for (const mail::Failure& reported : expected.failures)
      tried.push_back(compare(reported, seen));
    if (expected.failures.empty() && expected.kind != none)
      tried.push_back(compare({.kind = expected.kind}, seen));
    for (Match& one : tried) {
      if (first || rank(one.same) > rank(best.same)) best = std::move(one);
      first = false;
    }
  }
  if (!expected.known()) best = {Same::likely, "the report describes no failure: any one counts"};
  return best;
}

}  // namespace ktrial::reproduce
