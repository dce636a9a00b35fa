#include "harness/mail/splitter.h"

#include <utility>

#include "harness/base/re2.h"
#include "harness/base/text.h"
#include "harness/mail/message.h"

namespace ktrial::mail {
namespace {

// "From mboxrd@z Thu Jan  1 00:00:00 1970": RFC 4155.
bool is_from_line(std::string_view line) {
  static const RE2 kFrom(R"(^From \S+.*\d\d:\d\d.*\d{4})");
  return line.starts_with("From ") && partial_match(line.substr(0, 256), kFrom);
}

// A head of a mail: each line a field or its continuation, up to a blank one, and fields that mails
// have among them.
bool has_mail_head(std::string_view text) {
  static const RE2 kField(R"(^[!-9;-~]+:(\s|$))");
  static const RE2 kKnown(
      R"((?i)^(from|to|cc|subject|date|message-id|received|return-path|mime-version|delivered-to|in-reply-to|content-type):)");
  int known = 0;
  for (bool first = true; const auto line = take_line(text); first = false) {
    const std::string_view clean = trimmed(*line, "\r\n");
    if (clean.empty()) return known >= 2;
    if (clean.front() == ' ' || clean.front() == '\t') {
      if (first) return false;
    } else if (!partial_match(clean.substr(0, 128), kField)) {
      return false;
    } else if (partial_match(clean.substr(0, 32), kKnown)) {
      ++known;
    }
  }
  return known >= 4;
}

}  // namespace

Form form_of(std::string_view begin) {
  static const RE2 kPage(
      R"((?is)^\s*(<!--.*?-->\s*|<\?xml[^>]*>\s*)*<(!doctype html|html|head|body)\b)");
  if (has_mail_head(begin)) return Form::mail;
  const std::string_view start = begin.substr(0, 16384);
  if (partial_match(start, kPage) || start.starts_with("<!-- MHonArc")) return Form::page;
  return Form::text;
}

void Splitter::feed(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::size_t end = bytes.find('\n');
    const std::string_view piece = bytes.substr(0, end == bytes.npos ? end : end + 1);
    bytes.remove_prefix(piece.size());
    // What has no newlines is taken piece by piece.
    if (end == bytes.npos || !held_.empty()) held_ += piece;
    if (end == std::string_view::npos && held_.size() < (1u << 20)) return;
    if (held_.empty()) {
      take(piece);
    } else {
      take(std::exchange(held_, {}));
    }
  }
}

void Splitter::take(std::string_view line) {
  if (begins_) {
    if (line_ == 0 && is_from_line(line)) {
      mbox_ = true;
      blank_ = true;
    }
    ++line_;
  }
  const bool starts = begins_;
  begins_ = line.ends_with('\n');
  if (mbox_ && starts && blank_ && is_from_line(line)) {
    emit();
    piece_.first_line = line_ + 1;
    blank_ = false;
    return;
  }
  blank_ = starts && trimmed(line).empty();
  if (piece_.bytes.size() + line.size() > Limits::kMessage) {
    piece_.cut = true;
    return;
  }
  // mboxrd: a line of the text that looked like a mail's begin has got a mark.
  if (mbox_ && starts && line.starts_with(">From ")) line.remove_prefix(1);
  piece_.bytes += line;
}

void Splitter::emit() {
  if (!trimmed(piece_.bytes).empty()) {
    piece_.form = mbox_ ? Form::mail : form_of(piece_.bytes);
    sink_(std::move(piece_));
  }
  piece_ = {};
}

void Splitter::finish() {
  if (!held_.empty()) take(std::exchange(held_, {}));
  emit();
}

}  // namespace ktrial::mail
