#include "harness/subtests/ltp.h"

#include <optional>

#include "harness/base/re2.h"

namespace ktrial::subtests {

namespace {

// include/tst_res_flags.h: the bits of an exit status; TWARN alone says that something is odd.
constexpr int kFail = 1, kBroken = 2, kWarn = 4, kNotConfigured = 32;

// TINFO, TWARN and TDEBUG are no results.
std::optional<Result> result_of_message(std::string_view word) {
  if (word == "TPASS") return Result::pass;
  if (word == "TFAIL" || word == "TBROK") return Result::fail;
  if (word == "TCONF") return Result::skip;
  return std::nullopt;
}

Result result_of_status(int status) {
  if ((status & (kFail | kBroken | kWarn)) != 0) return Result::fail;
  if (status == kNotConfigured) return Result::skip;
  return status == 0 ? Result::pass : Result::fail;
}

struct Message {
  std::string_view who, word, text;
};
// A terminal gets its words in colours.
std::optional<Message> message_in(std::string_view line) {
  static const RE2& now = *new RE2(
      R"((?:[^\s:]*/)?([A-Za-z0-9_.+-]+?)(?:\.[ch])?:\d+: (?:\x1b\[[0-9;]*m)*(T[A-Z]{3,5}): (?:\x1b\[[0-9;]*m)*(.*))");
  static const RE2& of_old = *new RE2(R"(([A-Za-z0-9_.+-]+) +\d+ +(T[A-Z]{3,5}) *: ?(.*))");
  static const RE2& word = *new RE2("TPASS|TFAIL|TBROK|TCONF|TINFO|TWARN|TDEBUG");
  Message out;
  if (!full_match(line, now, &out.who, &out.word, &out.text) &&
      !full_match(line, of_old, &out.who, &out.word, &out.text))
    return std::nullopt;
  if (!full_match(out.word, word)) return std::nullopt;
  return out;
}

}  // namespace

bool Ltp::starts(std::string_view line) {
  if (line == kRunnersMark) return true;
  return line.find(" T") != line.npos && message_in(line).has_value();
}

void Ltp::keep(Subtest test) {
  if (done_.size() >= kMaxTests)
    ++not_kept_;
  else
    done_.push_back(std::move(test));
}

bool Ltp::message(std::string_view line) {
  const auto told = message_in(line);
  if (!told) return false;
  // The library speaks for the program: tst_test.c, tst_tmpdir.c, ...
  if (!told->who.starts_with("tst_")) program_ = cut(told->who, kMaxName);
  const auto result = result_of_message(told->word);
  if (!result) return true;
  ++of_it_;
  if (is_bad(*result)) ++bad_of_it_;
  const std::string text =
      (told->word == "TBROK" ? "TBROK: " : "") + cut(told->text, kMaxReason - 7);
  if (*result != Result::pass && why_.empty()) why_ = text;
  const std::string& test = !tag_.empty() ? tag_ : !program_.empty() ? program_ : "test";
  const std::string number = "/" + std::to_string(of_it_);
  keep({cut(test, kMaxName - number.size()) + number, *result, *result == Result::pass ? "" : text,
        std::nullopt});
  return true;
}

// Its messages are its results, where it has some; a status that says worse than they do is one
// more.
void Ltp::end_test(std::string_view how, int status) {
  const bool exited = how == "exited";
  const Result result = exited ? result_of_status(status) : Result::crash;
  if (of_it_ == 0 || (is_bad(result) && bad_of_it_ == 0)) {
    const std::string why =
        std::string(exited ? "exit status " : "signal ") + std::to_string(status);
    keep({tag_, result, result == Result::pass ? "" : why_.empty() ? why : why_, std::nullopt});
  }
  tag_.clear();
}

void Ltp::line(std::string_view line) {
  static const RE2& tag = *new RE2(R"(tag=(\S+) stime=.*)");
  static const RE2& end = *new RE2(R"(.*\btermination_type=(\S+) termination_id=(\d{1,9})\b.*)");
  std::string_view name, how;
  int status = 0;
  if (full_match(line, tag, &name)) {
    tag_ = cut(name, kMaxName);
    program_.clear();
    why_.clear();
    of_it_ = bad_of_it_ = 0;
  } else if (!tag_.empty() && full_match(line, end, &how, &status)) {
    end_test(how, status);
  } else {
    message(line);
  }
}

void Ltp::add_to(Summary& summary) const {
  summary.tests.insert(summary.tests.end(), done_.begin(), done_.end());
  summary.not_kept += not_kept_;
  if (tag_.empty()) return;
  summary.running = tag_;
  summary.tests.push_back({tag_, Result::crash, "it began and never ended", {}});
}

}  // namespace ktrial::subtests
