#include "harness/console/folding.h"

#include <algorithm>
#include <utility>

#include "harness/base/re2.h"
#include "harness/console/line.h"
#include "harness/console/oops_rules.h"
#include "harness/console/wrapping.h"

namespace ktrial::console {
namespace {

// Nobody breaks lines earlier than here, nor mail much later than there.
constexpr std::size_t kMinMargin = 60, kMaxMargin = 80;
constexpr std::size_t kMaxBroken = 200;
constexpr std::size_t kMaxParts = 6, kLongWord = 24;
constexpr std::uint64_t kEnoughLines = 4;
// Of this many lines that could go on, one in so many must have.
constexpr std::uint64_t kEnoughTries = 32, kOneIn = 8;

std::string_view first_word(std::string_view text) {
  return text.substr(0, std::min(text.size(), text.find_first_of(" \t")));
}

// The message without stamp and wrapping.
std::string_view message_of(std::string_view text) {
  if (!starts_with_stamp(text)) text = text.substr(peel(text).body);
  thread_local std::vector<Line> messages;
  parse_line(text, 0, messages);
  text = messages.back().body;
  if (messages.back().kernel) text.remove_prefix(peel_after_stamp(text));
  return skip_blanks(text);
}

bool is_proved(std::string_view text) {
  if (starts_with_stamp(text)) return true;
  const Peeled peeled = peel(text);
  return peeled.kernel || starts_with_stamp(skip_blanks(text.substr(peeled.body)));
}

// A head that says less than its kind does: the rest may stand in the next line.
bool is_unfinished(std::string_view message) {
  const auto head = match_head(message);
  return !head || is_catch_all(*head->rule) || (head->rule->function > 0 && head->function.empty());
}

// Stamp and caller, of a stamped line.
std::string_view printk_prefix(std::string_view text) {
  std::vector<Line> messages;
  parse_line(text, 0, messages);
  return messages.size() == 1 && messages[0].kernel
             ? text.substr(0, text.size() - messages[0].body.size())
             : std::string_view();
}

}  // namespace

bool has_head_words(std::string_view message) {
  static constexpr std::string_view kFirst = "BCDIKNOPUW[dgiklrstuw";
  if (message.empty() || kFirst.find(message.front()) == kFirst.npos) return false;
  static const RE2 words(
      R"(^(?:\[ )?(?:(?:NMI )?watchdog: |rcu: |traps: |Oops: |CPU \d+ )*(?:BUG|WARNING|INFO|PANIC|general protection|[Kk]ernel (?:BUG|panic)|[Uu]nable to handle|Oops|Internal error|divide.error|invalid opcode|stack segment|UBSAN|usercopy|list_|int3|Unhandled|Bad mode|refcount_t|unregister_netdevice))");
  return partial_match(message, words);
}

void Folding::learn(std::string_view line) {
  ++lines_;
  if (line.size() == widest_) ++full_;
  if (line.size() > widest_) {
    widest_ = line.size();
    full_ = 1;
  }
  const std::size_t blank = line.rfind(' ');
  if (blank != line.npos) last_blank_ = std::max(last_blank_, blank);
}

// Lines that could go on do not: the text was never broken, and waiting for what goes on would read
// a whole log line by line.
bool Folding::refuted() const { return tries_ >= kEnoughTries && joins_ * kOneIn < tries_; }

// No line of this text has a blank beyond the margin of mail: whatever was longer was broken.
bool Folding::narrow() const {
  return lines_ >= kEnoughLines && last_blank_ <= kMaxMargin && last_blank_ >= kMinMargin &&
         !refuted();
}

// Nothing was ever wider than this line, and others were as wide, or it is as wide as most
// terminals are.
bool Folding::fills_terminal(std::string_view line) const {
  if (line.size() < widest_ || line.size() > kMaxBroken || refuted()) return false;
  return line.size() == kMaxMargin || (line.size() == widest_ && full_ >= 3 && widest_ % 4 == 0);
}

// A head that is whole is told at once, unless lines of its width did go on.
bool Folding::may_wait(std::string_view line) const {
  if (broken_at_ == line.size()) return true;
  const std::string_view message = message_of(line);
  return !has_head_words(message) || is_unfinished(message);
}

bool Folding::may_go_on(std::string_view line) const {
  if (line.size() > kMaxBroken) return false;
  if (fills_terminal(line) && may_wait(line)) return is_proved(line);
  if (narrow() && line.size() + kLongWord > last_blank_) return is_proved(line);
  if (line.size() > kMaxMargin + 40) return false;
  static const RE2 somewhere(
      "BUG|WARNING|INFO|PANIC|general|[Kk]ernel|able to|Oops|error|opcode|UBSAN|copy|Unhandled");
  if (!starts_with_stamp(line) && !partial_match(line, somewhere)) return false;
  const std::string_view message = message_of(line);
  return has_head_words(message) && is_unfinished(message);
}

bool Folding::holds(std::string_view line, std::uint64_t number) {
  if (!may_go_on(line)) return false;
  parts_ = {{std::string(line), number}};
  line_ = line;
  sure_ = complete_ = false;
  return true;
}

// The kept line and the next one, where that goes on with it.
std::optional<std::string> Folding::with(std::string_view next) const {
  // A task's name may hold newlines: printk gives each piece the same prefix.
  if (const std::string_view prefix = printk_prefix(line_);
      !prefix.empty() && next.starts_with(prefix)) {
    std::string line = line_ + std::string(next.substr(prefix.size()));
    return is_unfinished(message_of(line_)) && !is_unfinished(message_of(line))
               ? std::optional(std::move(line))
               : std::nullopt;
  }
  const Peeled peeled = peel(next);
  const std::string_view rest = skip_blanks(next.substr(peeled.body));
  if (peeled.kernel || rest.empty() || starts_with_stamp(rest)) return std::nullopt;
  const std::string_view last = parts_.back().text;
  if (fills_terminal(last)) return line_ + std::string(next);
  const std::size_t margin = narrow() ? last_blank_ : kMinMargin + 4;
  if (last.size() + 1 + first_word(rest).size() <= margin) return std::nullopt;
  return line_ + (line_.ends_with(' ') ? "" : " ") + std::string(rest);
}

bool Folding::adds(std::string_view next, std::uint64_t number) {
  if (parts_.size() >= kMaxParts) return false;
  const bool known = narrow() || fills_terminal(parts_.back().text);
  std::optional<std::string> line = with(next);
  if (!line) return false;
  line_ = std::move(*line);
  parts_.push_back({std::string(next), number});
  const std::string_view message = message_of(line_);
  sure_ = sure_ || known || !is_unfinished(message);
  // A broken line's last piece is short.
  complete_ = known ? !fills_terminal(next) && next.size() + kLongWord <= last_blank_ : sure_;
  return true;
}

std::vector<Folding::Part> Folding::take() {
  if (!parts_.empty() && (narrow() || fills_terminal(parts_.front().text))) {
    ++tries_;
    joins_ += parts_.size() > 1;
  }
  std::vector<Part> out = std::exchange(parts_, {});
  joined_ = sure_;
  if (sure_) {
    if (fills_terminal(out.front().text)) broken_at_ = out.front().text.size();
    learn(out.front().text);
  }
  if (sure_) out = {{std::move(line_), out.front().number}};
  line_.clear();
  sure_ = complete_ = false;
  return out;
}

}  // namespace ktrial::console
