#include "harness/subtests/tap.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "harness/base/re2.h"
#include "harness/base/text.h"

namespace ktrial::subtests {

namespace {

constexpr std::size_t kMaxLevels = 16;
constexpr std::size_t kMaxPlan = 1'000'000;

bool is_tap(std::string_view text) {
  static const RE2& re = *new RE2(R"((not )?ok\b.*|1\.\.\d.*|K?TAP version \d.*|Bail out!.*)");
  return full_match(text, re);
}

// Takes the nesting off the front: blanks (KUnit: four, or a tab a level), or "# " once a level
// (kselftest's runner).
std::size_t take_column(std::string_view& line) {
  constexpr std::size_t kTab = 4;
  std::size_t column = 0;
  for (;;) {
    if (line.starts_with(' ') || line.starts_with('\t')) {
      column += line.front() == '\t' ? kTab : 1;
      line.remove_prefix(1);
    } else if (line.starts_with("# ") && is_tap(trimmed(line.substr(2)))) {
      line.remove_prefix(2);
      column += 2;
    } else if (line.starts_with("# # ")) {
      line.remove_prefix(2);
      column += 2;
    } else {
      return column;
    }
  }
}

// The verdict of a result line with its "# DIRECTIVE reason".
Result judge(bool ok, std::string_view directive) {
  if (directive.starts_with("SKIP")) return Result::skip;
  if (directive.starts_with("TODO") || directive.starts_with("XFAIL")) return Result::pass;
  if (directive.starts_with("TIMEOUT")) return Result::timeout;
  if (directive.starts_with("ERROR")) return Result::crash;
  return ok ? Result::pass : Result::fail;
}

std::string under(std::string_view parent, std::string_view child) {
  if (parent.empty()) return std::string(child);
  return cut(std::string(parent) + "/" + std::string(child), kMaxName);
}

// "name # DIRECTIVE reason"; each may be missing.
Subtest parse_result(bool ok, std::string_view description) {
  const bool unnamed = description.starts_with("# ");
  const std::size_t hash = unnamed ? 0 : std::min(description.find(" # "), description.size());
  const std::string_view directive =
      hash == description.size() ? "" : trimmed(description.substr(hash + (unnamed ? 1 : 3)));
  std::string_view name = trimmed(description.substr(0, hash));
  // ksft_test_result_skip() of older kernels: "ok 3 # SKIP name".
  if (name.empty())
    name = trimmed(directive.substr(std::min(directive.find(' '), directive.size())));
  return {.name = cut(name, kMaxName),
          .result = judge(ok, directive),
          .reason = cut(directive, kMaxReason),
          .seconds = std::nullopt};
}

}  // namespace

bool Tap::starts(std::string_view line) {
  static const RE2& re = *new RE2(R"(\s*K?TAP version \d+\s*)");
  return full_match(line, re);
}

Tap::Level& Tap::level_at(std::size_t column) {
  while (levels_.size() > 1 && levels_.back().column > column) fold();
  if (levels_.back().column < column && levels_.size() < kMaxLevels)
    levels_.push_back({.column = column});
  return levels_.back();
}

void Tap::fold() {
  Level inner = std::move(levels_.back());
  levels_.pop_back();
  for (auto* list : {&inner.done, &inner.children})
    for (Subtest& test : *list) levels_.back().children.push_back(std::move(test));
}

void Tap::keep(std::vector<Subtest>& list, Subtest test) {
  if (kept_ >= kMaxTests) {
    ++not_kept_;
    return;
  }
  ++kept_;
  list.push_back(std::move(test));
}

void Tap::line(std::string_view line) {
  static const RE2& result_line = *new RE2(R"((not )?ok(?: +\d+)?(?: +-)?(?: +(.*))?)");
  static const RE2& plan_line = *new RE2(R"(1\.\.(\d{1,7})\b.*)");
  const bool begins = starts(line);
  std::size_t column = take_column(line);
  if (begins && !margin_) margin_ = column;
  column -= std::min(column, margin_.value_or(0));
  std::string_view words, no;
  std::size_t planned = 0;
  if (begins) {
    if (column == 0) close_document();
  } else if (full_match(line, plan_line, &planned)) {
    plan(column, std::min(planned, kMaxPlan));
  } else if (full_match(line, result_line, &no, &words)) {
    result(column, no.empty(), words);
  } else if (line.starts_with("Bail out!")) {
    bailed_out_ = cut(trimmed(line.substr(9)), kMaxReason);
    if (bailed_out_.empty()) bailed_out_ = "no reason given";
  } else if (full_match(behind_a_prompt(line), result_line, &no, &words)) {
    result(levels_.front().column, no.empty(), words);
  } else if (line.starts_with("# ")) {
    note(column, line.substr(2));
  }
}

// What a program printed last may lack its newline (it was killed): the runner's word on it follows
// there. "# Estimating clock drift: not ok 7 selftests: timers: raw_skew # TIMEOUT 90 seconds".
std::string_view Tap::behind_a_prompt(std::string_view line) const {
  static const RE2& begin = *new RE2(R"(.*?\b((?:not )?ok \d+ ))");
  const std::string& running = levels_.front().running;
  const std::size_t at = running.empty() ? line.npos : line.find(running);
  std::string_view head;
  if (at == line.npos || !full_match(line.substr(0, at), begin, &head)) return {};
  return line.substr(at - head.size());
}

// A second plan at the outermost level begins a document that came without its first line; a test
// that runs several programs prints one for each.
void Tap::plan(std::size_t column, std::size_t planned) {
  if (column == 0 && levels_.front().has_plan) close_document();
  Level& level = level_at(column);
  level.planned = std::min(level.planned + planned, kMaxPlan);
  level.has_plan = true;
}

void Tap::note(std::size_t column, std::string_view text) {
  constexpr std::string_view kSuite = "Subtest: ", kRunner = "selftests: ";
  if (text.starts_with(kSuite)) {
    Level& level = level_at(column);
    if (level.column == column) level.suite = cut(trimmed(text.substr(kSuite.size())), kMaxName);
  } else if (text.starts_with(kRunner) && column == levels_.front().column) {
    level_at(column).running = cut(trimmed(text), kMaxName);
  } else {
    last_note_ = cut(trimmed(text), kMaxReason);
  }
}

// An ok parent stands above its children: the program knows why it forgave them.
void Tap::adopt(Level& level, const Subtest& parent) {
  for (Subtest& child : level.children) {
    if (!is_bad(parent.result) && is_bad(child.result)) {
      child.reason = cut("it said " + std::string(name(child.result)) + ", its parent ok" +
                             (child.reason.empty() ? "" : ": " + child.reason),
                         kMaxReason);
      child.result = Result::pass;
    }
    child.name = under(parent.name, child.name);
    level.done.push_back(std::move(child));
  }
  level.children.clear();
}

void Tap::result(std::size_t column, bool ok, std::string_view description) {
  Level& level = level_at(column);
  ++level.results;
  level.running.clear();
  Subtest test = parse_result(ok, description);
  if (test.name.empty()) test.name = std::to_string(level.results);
  const bool has_children = !level.children.empty();
  const bool bad_child = std::ranges::any_of(
      level.children, [](const Subtest& child) { return is_bad(child.result); });
  adopt(level, test);
  if (test.reason.empty() && is_bad(test.result)) test.reason = last_note_;
  last_note_.clear();
  // A parent says nothing new, unless it is bad and none of its children is.
  if (has_children && (!is_bad(test.result) || bad_child)) return;
  keep(level.done, std::move(test));
}

// `level`: that of its own results, if it had begun to tell any.
Subtest Tap::cut_off(const Level& level, std::string name) {
  running_ = cut(name.empty() ? "a test without a name" : name, kMaxName);
  std::string reason = "it began and never ended";
  if (level.planned > 0)
    reason += ", after " + std::to_string(level.results) + " of " + std::to_string(level.planned) +
              " results";
  return {running_, Result::crash, std::move(reason), std::nullopt};
}

// Its parent's line never comes, but "# Subtest:" or the runner's header may have named it.
void Tap::fold_open() {
  const Level inner = std::move(levels_.back());
  levels_.pop_back();
  Level& outer = levels_.back();
  const std::string name = inner.suite.empty() ? outer.running : inner.suite;
  outer.running.clear();
  for (const auto* list : {&inner.done, &inner.children})
    for (Subtest test : *list) {
      test.name = under(name, test.name);
      outer.done.push_back(std::move(test));
    }
  const std::size_t lost = inner.lost();
  if (name.empty() && lost == 0) return;  // nothing says that a test ran
  ++outer.results;
  if (running_.empty()) {
    keep(outer.done, cut_off(inner, name));
    missing_ += lost > 0 ? lost - 1 : 0;  // the running one is listed
  } else {
    running_ = under(name, running_);
    missing_ += lost;
  }
}

void Tap::close_document() {
  running_.clear();
  while (levels_.size() > 1) fold_open();
  Level& top = levels_.front();
  missing_ += top.lost();
  if (running_.empty() && !top.running.empty()) {
    missing_ -= top.lost() > 0 ? 1 : 0;
    keep(top.done, cut_off({}, top.running));
  }
  for (auto* list : {&top.done, &top.children}) std::ranges::move(*list, std::back_inserter(done_));
  levels_.assign(1, {});
  last_note_.clear();
}

void Tap::add_to(Summary& summary) const {
  Tap whole = *this;
  whole.close_document();
  summary.tests.insert(summary.tests.end(), whole.done_.begin(), whole.done_.end());
  summary.not_kept += whole.not_kept_;
  summary.missing += whole.missing_;
  summary.running = whole.running_;
  summary.bailed_out = whole.bailed_out_;
}

}  // namespace ktrial::subtests
