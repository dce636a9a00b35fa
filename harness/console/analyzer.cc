#include "harness/console/analyzer.h"

#include <re2/re2.h>

#include <algorithm>
#include <cstring>

#include "harness/console/line.h"
#include "harness/console/report.h"

namespace ktrial::console {
namespace {

constexpr std::size_t kMaxFindings = 64;
constexpr std::size_t kMaxMarks = 64;
constexpr std::size_t kMaxReportLines = 1500;

// Whether a head that follows within an open report belongs to it: what the
// kernel prints after the cause (die, panic) or instead of it.
bool continues(const Report& open, const HeadMatch& next) {
  const Kind was = open.head.rule->kind, is = next.rule->kind;
  if (is == Kind::panic) return true;
  const bool dying = is == Kind::oops || is == Kind::bug || is == Kind::gpf ||
                     is == Kind::page_fault || is == Kind::divide_error;
  const bool announces = was == Kind::list_corruption || was == Kind::usercopy ||
                         was == Kind::refcount || was == Kind::bad_page || was == Kind::warning;
  if (is == Kind::oops) return was != Kind::hung_task && was != Kind::rcu_stall;
  if (dying && announces) return is == Kind::bug;
  // "ODEBUG: ..." or "refcount_t: ..." and the WARNING below it.
  if ((is == Kind::warning || is == Kind::refcount) && was == is) return open.lines.size() < 8;
  return false;
}

}  // namespace

struct Analyzer::State {
  void feed(std::string_view bytes);
  void take_line(std::string_view raw);
  void take_block(std::string_view block);
  void head(const Line& line, const HeadMatch& match);
  void refine();
  void close();
  void environment_mark(const Line& line);

  std::string partial;  // of a line whose end has not come; at most kMaxLine
  std::uint64_t lines = 0;
  bool saw_kernel_line = false;
  std::string last_kernel_line;
  std::vector<Finding> findings;
  std::uint64_t dropped = 0;
  std::vector<EnvironmentMark> marks;
  std::optional<Report> open;
  bool open_is_kept = false;  // its finding is findings.back()
  bool dirty = false;
};

void Analyzer::State::feed(std::string_view bytes) {
  if (!partial.empty()) {
    const auto end = bytes.find('\n');
    if (partial.size() < 4 * kMaxLine) partial.append(bytes.substr(0, end));
    if (end == bytes.npos) return;
    std::string whole;
    whole.swap(partial);
    take_line(whole);
    bytes.remove_prefix(end + 1);
  }
  const auto last = bytes.rfind('\n');
  if (last != bytes.npos) {
    take_block(bytes.substr(0, last + 1));
    bytes.remove_prefix(last + 1);
  }
  partial.assign(bytes.substr(0, 4 * kMaxLine));
}

// Whole lines. While no report is open, only lines that may begin one (or tell
// of the environment) are looked at: the rest is counted.
void Analyzer::State::take_block(std::string_view block) {
  while (!block.empty()) {
    if (open) {
      const auto end = block.find('\n');
      take_line(block.substr(0, end));
      block.remove_prefix(end + 1);
      continue;
    }
    std::size_t at = 0;
    const bool found = may_begin(block, at);
    std::size_t begin = found ? at : block.size();
    if (found) {
      const auto previous = block.rfind('\n', at);
      begin = previous == block.npos || at == 0 ? 0 : previous + 1;
    }
    const std::string_view skipped = block.substr(0, begin);
    if (!skipped.empty()) {
      const auto count = std::count(skipped.begin(), skipped.end(), '\n');
      lines += static_cast<std::uint64_t>(count - 1);
      const auto last = skipped.size() < 2 ? skipped.npos : skipped.rfind('\n', skipped.size() - 2);
      take_line(skipped.substr(last == skipped.npos ? 0 : last + 1,
                               skipped.size() - 1 - (last == skipped.npos ? 0 : last + 1)));
      block.remove_prefix(begin);
    }
    if (!found) return;
    const auto end = block.find('\n');
    take_line(block.substr(0, end));
    block.remove_prefix(end + 1);
  }
}

void Analyzer::State::take_line(std::string_view raw) {
  ++lines;
  Line line = clean_line(raw);
  if (line.stamped) {
    saw_kernel_line = true;
    last_kernel_line = line.message.substr(0, 400);
  }
  if (line.message.empty()) return;
  environment_mark(line);
  HeadMatch match;
  std::size_t at = 0;
  if (may_begin(line.message, at) && match_head(line.message, match) &&
      !(open && continues(*open, match)))
    return head(line, match);
  if (!open) return;
  if (open->lines.size() >= kMaxReportLines) return close();
  open->lines.push_back({std::move(line.message), std::move(line.context), lines});
  dirty = true;
}

void Analyzer::State::head(const Line& line, const HeadMatch& match) {
  close();
  open.emplace(Report{match, {{line.message, line.context, lines}}});
  open_is_kept = findings.size() < kMaxFindings;
  if (open_is_kept)
    findings.push_back(extract(*open));
  else
    ++dropped;
  dirty = false;
}

void Analyzer::State::refine() {
  if (open && open_is_kept && dirty) findings.back() = extract(*open);
  dirty = false;
}

void Analyzer::State::close() {
  refine();
  open.reset();
}

void Analyzer::State::environment_mark(const Line& line) {
  // Documented in docs/console-findings.md; none of these is a kernel bug alone.
  static const RE2 kMark(
      R"(^(?:hrtimer: interrupt took|perf: interrupt took too long|INFO: NMI handler|clocksource: .*unstable|tsc: Marking TSC unstable|TSC found unstable|sched_clock: Marking unstable|sched: RT throttling activated|rcu: .*Possible timer handling issue|\*\* \d+ printk messages dropped|\*\* replaying previous printk message))");
  if (marks.size() < kMaxMarks && line.stamped && RE2::PartialMatch(line.message, kMark))
    marks.push_back({lines, line.message.substr(0, 200)});
}

Analyzer::Analyzer() : state_(std::make_unique<State>()) {}
Analyzer::Analyzer(Analyzer&&) noexcept = default;
Analyzer::~Analyzer() = default;

void Analyzer::feed(std::string_view bytes) {
  state_->feed(bytes);
  state_->refine();
}

void Analyzer::finish() {
  if (!state_->partial.empty()) {
    std::string rest;
    rest.swap(state_->partial);
    state_->take_line(rest);
  }
  state_->close();
}

const std::vector<Finding>& Analyzer::findings() const { return state_->findings; }
std::uint64_t Analyzer::dropped() const { return state_->dropped; }
std::uint64_t Analyzer::lines() const { return state_->lines; }
bool Analyzer::saw_kernel_line() const { return state_->saw_kernel_line; }
std::string Analyzer::last_kernel_line() const { return state_->last_kernel_line; }
const std::vector<EnvironmentMark>& Analyzer::environment() const { return state_->marks; }

}  // namespace ktrial::console
