#include "harness/console/envelope.h"

#include <re2/re2.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <utility>

#include "harness/base/text.h"
#include "harness/console/decoding.h"
#include "harness/console/oops_rules.h"

namespace ktrial::console {
namespace {

constexpr std::uint64_t kLearnLines = 400;
constexpr std::uint64_t kRecordLines = 100;
constexpr std::size_t kMaxKept = 1024;

std::string_view skip_blanks(std::string_view text) {
  return text.substr(std::min(text.size(), text.find_first_not_of(" \t")));
}

// "[   12.345678]" or "<6>[   12.345678]" at the start.
bool stamped(std::string_view text) {
  if (text.size() > 3 && text[0] == '<')
    if (const std::size_t close = text.find('>'); close <= 4) text.remove_prefix(close + 1);
  return is_stamp(text, 0);
}

// The message without stamp and wrapping, for a look at its first words.
std::string_view message_of(std::string_view text) {
  if (!stamped(text)) text = text.substr(peel(text).body);
  text = skip_blanks(text);
  if (!stamped(text)) return text;
  text.remove_prefix(text.find(']') + 1);
  text = skip_blanks(text);
  return skip_blanks(text.substr(peel_after_stamp(text)));
}

bool head_words(std::string_view body) {
  static const RE2 words(
      R"(^(?:\[ )?(?:(?:NMI )?watchdog: |rcu: |traps: |Oops: |CPU \d+ )*(?:BUG|WARNING|INFO|PANIC|general protection|[Kk]ernel (?:BUG|panic)|[Uu]nable to handle|Oops|Internal error|divide.error|invalid opcode|stack segment|UBSAN|usercopy|list_|int3|Unhandled|Bad mode|refcount_t|unregister_netdevice))");
  return RE2::PartialMatch(re2::StringPiece(body.data(), body.size()), words);
}

// A head that says less than its kind does: the rest may stand in the next line.
bool unfinished(std::string_view body) {
  const auto head = match_head(body);
  return !head || (head->rule->function > 0 && head->function.empty());
}

// Mail programs break lines of about 72 columns, where the next word would not fit.
constexpr std::size_t kMinBroken = 50, kMaxBroken = 120, kMargin = 64;
bool may_be_broken(std::string_view text) {
  if (text.size() > kMaxBroken) return false;
  const bool wide = text.size() >= kMinBroken;
  if (!wide && text.find("INFO: task ") == text.npos) return false;
  const std::string_view body = message_of(text);
  return (wide ? head_words(body) : body.starts_with("INFO: task ")) && unfinished(body);
}

// Stamp and caller, of a stamped line.
std::string_view printk_prefix(std::string_view text) {
  std::vector<Line> messages;
  parse_line(text, 0, messages);
  return messages.size() == 1 && messages[0].kernel
             ? text.substr(0, text.size() - messages[0].body.size())
             : std::string_view();
}

// `first` and what stands in the next line, where that makes a head of it.
std::optional<std::string> joined_head(const std::string& first, std::string_view next) {
  // A task's name may hold newlines: printk gives each piece the same prefix.
  if (const std::string_view prefix = printk_prefix(first);
      !prefix.empty() && next.starts_with(prefix)) {
    std::string joined = first + std::string(next.substr(prefix.size()));
    return unfinished(message_of(joined)) ? std::nullopt : std::optional(std::move(joined));
  }
  const Peeled peeled = peel(next);
  const std::string_view rest = skip_blanks(next.substr(peeled.body));
  if (peeled.kernel || rest.empty() || stamped(rest)) return std::nullopt;
  if (first.size() + 1 + std::min(rest.size(), rest.find_first_of(" \t")) <= kMargin)
    return std::nullopt;
  std::string joined = first + " " + std::string(rest);
  if (unfinished(message_of(joined))) return std::nullopt;
  return joined;
}

}  // namespace

bool Envelope::wants(std::uint64_t number) const {
  return number <= kLearnLines || !broken_.empty() || hearing_.busy() ||
         (record_line_ > 0 && number - record_line_ < kRecordLines);
}

void Envelope::take(std::string_view text, std::uint64_t number, LineReader& reader) {
  if (!broken_.empty()) {
    const std::string first = std::exchange(broken_, {});
    const std::optional<std::string> joined = joined_head(first, text);
    take_whole(joined ? *joined : first, broken_number_, reader);
    if (joined) return;
  }
  if (may_be_broken(text)) {
    broken_ = text;
    broken_number_ = number;
    return;
  }
  take_whole(text, number, reader);
}

void Envelope::finish(LineReader& reader) {
  if (!broken_.empty()) take_whole(std::exchange(broken_, {}), broken_number_, reader);
  hearing_.finish(reader);
}

void Envelope::skip(std::string_view text, std::uint64_t number) {
  parse_line(text, number, segments_);
  const Line& last = segments_.back();
  if (last.kernel) last_kernel_.assign(last.body.substr(peel_after_stamp(last.body), kMaxKept));
}

void Envelope::take_whole(std::string_view message, std::uint64_t number, LineReader& reader) {
  if (stamped(message)) {
    parse_line(message, number, segments_);
    take_stamped(message, {}, reader);
    return;
  }
  if (take_record(message, number, reader)) return;
  const Peeled peeled = peel(message);
  const std::string_view rest = message.substr(peeled.body);
  if (message.find("MESSAGE=") < peeled.body) record_line_ = number;
  const bool in_record = record_line_ > 0 && number - record_line_ < kRecordLines;
  if (peeled.noise && in_record) return;
  if (const std::string_view text = skip_blanks(rest); stamped(text)) {
    parse_line(text, number, segments_);
    take_stamped(text, peeled, reader);
    return;
  }
  if (peeled.kernel || (number == 1 && peeled.shape == kCutStamp)) {
    message_at_ = peeled.body;
    take_proved(rest, peeled, number, reader);
    return;
  }
  parse_line(rest, number, segments_);
  if (segments_.back().kernel) {
    take_stamped(rest, peeled, reader);
    return;
  }
  // journalctl and dmesg align the further lines of a message.
  if (message_at_ > 0 && peeled.shape == 0 && message.find_first_not_of(' ') == message_at_) {
    take_proved(message.substr(message_at_), peeled, number, reader);
    return;
  }
  message_at_ = 0;
  const bool spoke = std::find(spoken_.begin(), spoken_.begin() + static_cast<long>(spoken_count_),
                               peeled.shape) != spoken_.begin() + static_cast<long>(spoken_count_);
  const Line line{.number = number, .whole = message, .body = rest};
  if (spoke || peeled.others)
    hearing_.pass(line, reader);
  else
    hearing_.hear(line, peeled.shape, reader);
}

void Envelope::take_stamped(std::string_view text, const Peeled& peeled, LineReader& reader) {
  const std::size_t hash = std::hash<std::string_view>()(text);
  if (hash == std::exchange(last_hash_, hash)) return;  // two consoles on one wire
  message_at_ = 0;
  for (std::size_t i = 0; i < segments_.size(); ++i) {
    Line line = segments_[i];
    if (!line.kernel) {
      // The same words before each stamp are a wrapping; others are a program's.
      std::string form = form_of(line.body);
      if (form != stamp_form_) hearing_.pass(line, reader);
      stamp_form_ = std::move(form);
      continue;
    }
    if (repeated(hash, line.body)) continue;
    line.body.remove_prefix(peel_after_stamp(line.body));
    if (peeled.body > 0 && peeled.closes != 0 && line.body.ends_with(peeled.closes))
      line.body.remove_suffix(1);
    if (i == 0) message_at_ = static_cast<std::size_t>(line.body.data() - text.data());
    deliver(line, peeled, reader);
  }
}

void Envelope::take_proved(std::string_view text, const Peeled& peeled, std::uint64_t number,
                           LineReader& reader) {
  const Line line{.number = number,
                  .whole = text,
                  .body = text,
                  .kernel = true,
                  .caller_type = peeled.caller_type,
                  .caller = peeled.caller};
  deliver(line, peeled, reader);
}

void Envelope::deliver(Line line, const Peeled& peeled, LineReader& reader) {
  note_proof(peeled.shape, reader);
  last_kernel_.assign(line.body.substr(0, kMaxKept));
  const bool octal = peeled.escaped && line.body.find("#0") != line.body.npos;
  const bool hex = peeled.hex_escaped && line.body.find("\\x") != line.body.npos;
  if (!octal && !hex) {
    hearing_.pass(line, reader);
    return;
  }
  const std::string decoded = octal ? undo_octal(line.body) : undo_hex(line.body);
  std::string_view rest = decoded;
  while (const auto part = take_line(rest)) {
    line.whole = line.body = *part;
    hearing_.pass(line, reader);
  }
}

// journald's, dmesg's and others' records in JSON.
bool Envelope::take_record(std::string_view text, std::uint64_t number, LineReader& reader) {
  if (const auto record = json_message(text)) {
    record_line_ = number;
    std::string_view rest = record->text;
    while (const auto part = take_line(rest)) {
      const Line line{.number = number, .whole = *part, .body = *part};
      const Peeled peeled{.shape = 'J'};
      if (record->others)
        hearing_.pass(line, reader);
      else if (stamped(*part) || !record->kernel)
        take_whole(*part, number, reader);
      else
        take_proved(*part, peeled, number, reader);
    }
    return true;
  }
  return record_line_ > 0 && number - record_line_ < kRecordLines && json_noise(text);
}

void Envelope::note_proof(Shape shape, LineReader& reader) {
  saw_kernel_ = true;
  const auto end = spoken_.begin() + static_cast<long>(spoken_count_);
  if (std::find(spoken_.begin(), end, shape) == end && spoken_count_ < spoken_.size())
    spoken_[spoken_count_++] = shape;
  hearing_.contradict(shape, reader);
}

// Whether this very head was told before: a log may hold the console's lines and, behind them, the
// kernel's own.
bool Envelope::repeated(std::size_t hash, std::string_view body) {
  if (body.starts_with("Linux version ")) heads_ = {};
  if (!head_words(body)) return false;
  hash ^= std::hash<std::string_view>()(body);
  if (std::find(heads_.begin(), heads_.end(), hash) != heads_.end()) return true;
  heads_[next_head_++ % heads_.size()] = hash;
  return false;
}

}  // namespace ktrial::console
