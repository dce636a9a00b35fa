#include "harness/subtests/igt.h"

#include "harness/base/re2.h"

namespace ktrial::subtests {

namespace {

std::optional<Result> result_of(std::string_view word) {
  if (word == "SUCCESS") return Result::pass;
  if (word == "SKIP") return Result::skip;
  if (word == "FAIL") return Result::fail;
  if (word == "CRASH") return Result::crash;
  if (word == "TIMEOUT") return Result::timeout;
  return std::nullopt;
}

}  // namespace

bool Igt::starts(std::string_view line) { return line.starts_with("IGT-Version: "); }

void Igt::keep(Subtest test) {
  if (is_bad(test.result) || test.result == Result::skip) test.reason = why_;
  why_.clear();
  if (done_.size() >= kMaxTests)
    ++not_kept_;
  else
    done_.push_back(std::move(test));
}

void Igt::end_dynamic(std::string_view name, Result result, std::optional<double> seconds) {
  dynamic_.clear();
  had_dynamic_ = true;
  bad_dynamic_ = bad_dynamic_ || is_bad(result);
  keep({cut(subtest_ + "/" + std::string(name), kMaxName), result, "", seconds});
}

void Igt::end_subtest(std::string_view name, Result result, std::optional<double> seconds) {
  subtest_.clear();
  // Of one with dynamic subtests only these count, unless it fails where none of them did.
  if (!had_dynamic_ || (is_bad(result) && !bad_dynamic_))
    keep({cut(name, kMaxName), result, "", seconds});
  had_dynamic_ = bad_dynamic_ = false;
}

void Igt::line(std::string_view line) {
  static const RE2& start = *new RE2(R"(Starting (dynamic )?subtest: (\S.*))");
  static const RE2& end = *new RE2(
      R"((?:(Dynamic subtest|Subtest) (.+): )?(SUCCESS|SKIP|FAIL|CRASH|TIMEOUT) \(([0-9.]{1,20})s\))");
  static const RE2& why =
      *new RE2(R"(Test (?:requirement not met|assertion failure).*|.*Failed assertion: .*)");
  std::string_view kind, name, word, took;
  if (full_match(line, start, &kind, &name)) {
    (kind.empty() ? subtest_ : dynamic_) = cut(name, kMaxName);
    if (kind.empty()) had_dynamic_ = bad_dynamic_ = false;
  } else if (full_match(line, end, &kind, &name, &word, &took)) {
    const Result result = *result_of(word);
    double seconds = 0;
    const bool known = full_match(took, R"((\d{1,9}(?:\.\d{1,9})?))", &seconds);
    const auto time = known ? std::optional(seconds) : std::nullopt;
    if (kind == "Dynamic subtest")
      end_dynamic(name, result, time);
    else
      end_subtest(name.empty() ? "test" : name, result, time);
  } else if (full_match(line, why)) {
    why_ = cut(line, kMaxReason);
  }
}

void Igt::add_to(Summary& summary) const {
  summary.tests.insert(summary.tests.end(), done_.begin(), done_.end());
  summary.not_kept += not_kept_;
  const std::string open = dynamic_.empty() ? subtest_ : subtest_ + "/" + dynamic_;
  if (!open.empty())
    summary.tests.push_back({cut(open, kMaxName), Result::crash, "it began and never ended", {}});
}

}  // namespace ktrial::subtests
