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

}  // namespace

bool Envelope::wants(std::uint64_t number) const {
  return number <= kLearnLines || folding_.holding() || hearing_.busy() ||
         (record_line_ > 0 && number - record_line_ < kRecordLines);
}

void Envelope::take(std::string_view text, std::uint64_t number, LineReader& reader) {
  text = text.substr(0, text.find_last_not_of(" \t") + 1);
  if (folding_.holding()) {
    if (folding_.adds(text, number)) {
      if (folding_.complete()) take_folded(reader);
      return;
    }
    take_folded(reader);
  }
  if (!folding_.holds(text, number)) take_whole(text, number, reader);
}

void Envelope::take_folded(LineReader& reader) {
  const std::vector<Folding::Part> parts = folding_.take();
  put_together_ = folding_.joined();
  for (const Folding::Part& part : parts) take_whole(part.text, part.number, reader);
  put_together_ = false;
}

void Envelope::finish(LineReader& reader) {
  take_folded(reader);
  hearing_.finish(reader);
}

void Envelope::skip(std::string_view text, std::uint64_t number) {
  parse_line(text, number, segments_);
  const Line& last = segments_.back();
  if (last.kernel) last_kernel_.assign(last.body.substr(peel_after_stamp(last.body), kMaxKept));
}

void Envelope::take_whole(std::string_view message, std::uint64_t number, LineReader& reader) {
  whole_ = message;
  if (starts_with_stamp(message)) {
    parse_line(message, number, segments_);
    take_stamped(message, {}, reader);
    return;
  }
  if (take_record(message, number, reader)) return;
  const Peeled peeled = peel(message);
  const std::string_view rest = message.substr(peeled.body);
  if (message.find("MESSAGE=") < peeled.body) record_line_ = number;
  const bool in_record = record_line_ > 0 && number - record_line_ < kRecordLines;
  if (peeled.hex_escaped) record_line_ = number;  // its dictionary may follow
  if (peeled.noise && in_record) return;
  if (const std::string_view text = skip_blanks(rest); starts_with_stamp(text)) {
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
  if (peeled.others)
    hearing_.pass(line, reader);
  else
    hearing_.hear(line, peeled.shape, spoke, reader);
}

// What stands in front of `text`, a piece of the line that is taken.
std::string_view Envelope::before_in_line(std::string_view text) const {
  return whole_.substr(0, static_cast<std::size_t>(text.data() - whole_.data()));
}

void Envelope::take_stamped(std::string_view text, const Peeled& peeled, LineReader& reader) {
  const std::size_t hash = std::hash<std::string_view>()(text);
  if (hash == std::exchange(last_hash_, hash)) return;  // two consoles on one wire
  message_at_ = 0;
  const std::string_view before = segments_[0].kernel ? before_in_line(text) : segments_[0].body;
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
    if (i + 1 == segments_.size()) line.body = without_closing(line.body, before);
    if (i == 0) message_at_ = static_cast<std::size_t>(line.body.data() - text.data());
    deliver(line, peeled, reader);
  }
}

void Envelope::take_proved(std::string_view text, const Peeled& peeled, std::uint64_t number,
                           LineReader& reader) {
  const Line line{.number = number,
                  .whole = text,
                  .body = without_closing(text, before_in_line(text)),
                  .kernel = true,
                  .caller_type = peeled.caller_type,
                  .caller = peeled.caller};
  deliver(line, peeled, reader);
}

void Envelope::deliver(Line line, const Peeled& peeled, LineReader& reader) {
  note_proof(peeled.shape, reader);
  if (!put_together_) folding_.learn(whole_);
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
      else if (starts_with_stamp(*part) || !record->kernel)
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
  if (!has_head_words(body)) return false;
  hash ^= std::hash<std::string_view>()(body);
  if (std::find(heads_.begin(), heads_.end(), hash) != heads_.end()) return true;
  heads_[next_head_++ % heads_.size()] = hash;
  return false;
}

}  // namespace ktrial::console
