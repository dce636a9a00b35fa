#include "harness/subtests/tap.h"

#include <algorithm>

#include "harness/base/re2.h"
#include "harness/base/text.h"

namespace ktrial::subtests {

namespace {

constexpr std::size_t kMaxLevels = 16;
constexpr std::size_t kMaxPlan = 1'000'000;

std::string cut(std::string_view text, std::size_t limit) {
  return std::string(text.substr(0, limit));
}

bool is_tap(std::string_view text) {
  static const RE2& re = *new RE2(R"((not )?ok\b.*|1\.\.\d.*|K?TAP version \d.*|Bail out!.*)");
  return full_match(text, re);
}

// Takes the nesting off the front: spaces (KUnit), or "# " once a level (kselftest's runner).
std::size_t take_column(std::string_view& line) {
  std::size_t column = 0;
  for (;;) {
    if (line.starts_with(' ')) {
      line.remove_prefix(1);
      ++column;
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

}  // namespace

bool Tap::starts(std::string_view line) {
  static const RE2& re = *new RE2(R"( *K?TAP version \d+\s*)");
  return full_match(line, re);
}

Tap::Level& Tap::level_at(std::size_t column) {
  while (levels_.size() > 1 && levels_.back().column > column) fold(true);
  if (levels_.back().column < column && levels_.size() < kMaxLevels)
    levels_.push_back({.column = column});
  return levels_.back();
}

// A parent's own line names its children; where it never comes, "# Subtest:" did.
void Tap::fold(bool parent_follows) {
  Level inner = std::move(levels_.back());
  levels_.pop_back();
  for (auto* list : {&inner.done, &inner.children})
    for (Subtest& test : *list) {
      if (!parent_follows) test.name = under(inner.suite, test.name);
      levels_.back().children.push_back(std::move(test));
    }
}

void Tap::line(std::string_view line) {
  static const RE2& result_line = *new RE2(R"((not )?ok(?: +\d+)?(?: +-)?(?: +(.*))?)");
  static const RE2& plan_line = *new RE2(R"(1\.\.(\d{1,7})\b.*)");
  const std::size_t column = take_column(line);
  std::string_view words, no;
  std::size_t planned = 0;
  if (full_match(line, plan_line, &planned)) {
    level_at(column).planned = std::min(planned, kMaxPlan);
  } else if (full_match(line, result_line, &no, &words)) {
    result(column, no.empty(), words);
  } else if (line.starts_with("Bail out!")) {
    bailed_out_ = cut(trimmed(line.substr(9)), kMaxReason);
    if (bailed_out_.empty()) bailed_out_ = "no reason given";
  } else if (line.starts_with("# Subtest: ")) {
    Level& level = level_at(column);
    if (level.column == column) level.suite = cut(trimmed(line.substr(11)), kMaxName);
  } else if (line.starts_with("# ")) {
    last_note_ = cut(trimmed(line.substr(2)), kMaxReason);
  }
}

void Tap::result(std::size_t column, bool ok, std::string_view description) {
  Level& level = level_at(column);
  ++level.results;
  // "name # DIRECTIVE reason"; either may be missing.
  const std::size_t hash =
      description.starts_with("# ") ? 0 : std::min(description.find(" # "), description.size());
  const std::string_view directive =
      trimmed(description.substr(std::min(description.size(), hash + (hash == 0 ? 1 : 3))));
  Subtest test{.name = cut(trimmed(description.substr(0, hash)), kMaxName),
               .result = judge(ok, hash < description.size() ? directive : ""),
               .reason = hash < description.size() ? cut(directive, kMaxReason) : "",
               .seconds = std::nullopt};
  if (test.name.empty()) test.name = std::to_string(level.results);

  bool bad_child = false;
  const bool has_children = !level.children.empty();
  for (Subtest& child : level.children) {
    bad_child = bad_child || is_bad(child.result);
    child.name = under(test.name, child.name);
    level.done.push_back(std::move(child));
  }
  level.children.clear();
  if (test.reason.empty() && is_bad(test.result)) test.reason = last_note_;
  last_note_.clear();
  // A parent says nothing new, unless it is bad and none of its children is.
  if (has_children && (!is_bad(test.result) || bad_child)) return;
  if (kept_ >= kMaxTests) {
    ++not_kept_;
    return;
  }
  ++kept_;
  level.done.push_back(std::move(test));
}

void Tap::add_to(Summary& summary) const {
  Tap whole = *this;
  while (whole.levels_.size() > 1) whole.fold(false);
  const Level& top = whole.levels_.front();
  for (const auto* list : {&top.done, &top.children})
    summary.tests.insert(summary.tests.end(), list->begin(), list->end());
  summary.not_kept += not_kept_;
  if (top.planned > top.results) summary.missing = top.planned - top.results;
  summary.bailed_out = bailed_out_;
}

}  // namespace ktrial::subtests
